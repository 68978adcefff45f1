"""The files of a run's folder that can be read and written without torch: its result, and which checkpoint counts."""

import json
from collections.abc import Mapping
from pathlib import Path

from cellgate.contract.artifacts import MODEL_FOLDER, PREDICTIONS_FOLDER, RESULT_NAME
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.results import RunResult, read_result
from trainers.engine.context import RunContext

CURRENT_NAME = "current.json"
STATE_NAME = "state.json"


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


def current_checkpoint(folder: Path) -> Path | None:
    """Return the folder of the checkpoint that counts; null when none was finished.

    Args:
        folder: A run's `checkpoint` folder.
    """
    try:
        name = str(json.loads((folder / CURRENT_NAME).read_bytes())["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    path = folder / name
    return path if (path / STATE_NAME).is_file() else None


def last_event(folder: Path) -> int:
    """Return the number of the last event that was said before the checkpoint; 0 when none can be read."""
    path = current_checkpoint(folder)
    try:
        return 0 if path is None else int(json.loads((path / STATE_NAME).read_bytes())["last_event"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
