"""The files of a run's folder that can be read and written without torch: its result, and which checkpoint counts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellgate.contract.artifacts import MODEL_FOLDER, PREDICTIONS_FOLDER, RESULT_NAME
from cellgate.contract.cells import CellName
from cellgate.contract.events import EventKind
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.results import SCHEMA_VERSION, Environment, Memory, RunResult, read_result
from cellgate.contract.specs import AnySpec, PrepareSpec, SourceSpec
from trainers.engine.context import RunContext
from trainers.engine.environment import describe_environment, peak_host_bytes

CURRENT_NAME = "current.json"
STATE_NAME = "state.json"
# Where a range test keeps its points, until the first checkpoint of training.
POINTS_NAME = "lr_finder.pt"


def result_header(
    spec: AnySpec,
    context: RunContext,
    *,
    cell: CellName,
    dataset_id: str,
    memory: Memory | None = None,
    environment: Environment | None = None,
) -> dict[str, Any]:
    """Return the fields that every result has, whatever its cell.

    Args:
        spec: Of this run.
        context: With the start, the phases' times and the spec's hash.
        cell: As the spec names it.
        dataset_id: `sha256:` and 64 hex digits.
        memory: Peak memory; default: of a process without a GPU.
        environment: Default: the CPU, with the spec's threads.
    """
    match spec:
        case PrepareSpec():
            threads = spec.workers
        case SourceSpec():
            threads = 1
        case _:
            threads = spec.threads
    return {
        "schema_version": SCHEMA_VERSION,
        "cell": cell,
        "seed": seed_of(spec),
        "spec_hash": context.spec_hash,
        "dataset_id": dataset_id,
        "started_at": context.started_at,
        "timings_s": dict(context.timings_s),
        "memory": memory or Memory(host_bytes=peak_host_bytes(), device_bytes=0),
        "environment": environment or describe_environment(device="cpu", threads=threads, precision="fp32"),
    }


def seed_of(spec: AnySpec) -> int:
    """Return the seed of a run's random choices; of a data set that of the splits."""
    return spec.split_seed if isinstance(spec, SourceSpec) else spec.seed


def hash_artifacts(out: Path) -> Mapping[str, str]:
    """Return the hash of every file of the model and its predictions, by path relative to `out`."""
    return {
        path.relative_to(out).as_posix(): sha256_of_file(path)
        for folder in (MODEL_FOLDER, PREDICTIONS_FOLDER)
        for path in sorted((out / folder).rglob("*"))
        if path.is_file()
    }


def write_result(result: RunResult, context: RunContext, *, succeeded: bool = True) -> RunResult:
    """Write `result.json`, read it back as every reader will, and write the `finished` event of a run that succeeded.

    Args:
        result: The whole of it.
        context: With the output folder.
        succeeded: False writes no `finished` event: the run fails after it has left its result.

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
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    path = folder / name
    return path if (path / STATE_NAME).is_file() else None


def can_go_on(folder: Path) -> bool:
    """Return whether a run can go on from a `checkpoint` folder: from a checkpoint, or within its range test."""
    return current_checkpoint(folder) is not None or (folder / POINTS_NAME).is_file()


def last_event(folder: Path) -> int:
    """Return the number of the last event before the checkpoint; 0 when none can be read."""
    path = current_checkpoint(folder)
    try:
        return 0 if path is None else int(json.loads((path / STATE_NAME).read_bytes())["last_event"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 0
