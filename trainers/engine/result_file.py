"""`result.json` and the files that it vouches for; free of torch, for the cells that train nothing."""

from collections.abc import Mapping
from pathlib import Path

from cellgate.contract.artifacts import MODEL_FOLDER, PREDICTIONS_FOLDER, RESULT_NAME
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.results import RunResult, read_result
from trainers.engine.context import RunContext


def hash_artifacts(out: Path) -> Mapping[str, str]:
    """Return the hash of every file of the model and its predictions, by path relative to `out`."""
    return {
        path.relative_to(out).as_posix(): sha256_of_file(path)
        for folder in (MODEL_FOLDER, PREDICTIONS_FOLDER)
        for path in sorted((out / folder).rglob("*"))
        if path.is_file()
    }


def write_result(result: RunResult, context: RunContext, *, succeeded: bool = True) -> RunResult:
    """Write `result.json` and read it back as whoever needs it will; say `finished` of a run that succeeded.

    Raises:
        ValueError: What is on disk breaks the schema.
    """
    path = context.out / RESULT_NAME
    write_json(path, result.model_dump(mode="json"))
    written = read_result(path)
    if succeeded:
        context.events.write(EventKind.FINISHED, result=RESULT_NAME)
    return written
