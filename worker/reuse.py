"""No work twice: a run that is equal to a finished one ends with its result, and no trainer is started.

Equal are: the spec with all its defaults, the data set's content, the files of the models that it joins, the seed, the
code with its packages, and the hardware. What is only equal in part is trained.
"""

import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from cellgate.contract.artifacts import RESULT_NAME
from cellgate.contract.cells import ENTRY_OF
from cellgate.contract.documents import leaves_of
from cellgate.contract.files import sha256_of_file, sha256_of_json
from cellgate.contract.results import RunResult, read_result
from service.store.claims import Claim
from service.store.lifecycle import reuse
from service.store.pipeline import after_run
from service.store.reuse import content_hash_of, equal_runs, record_key
from trainers.engine.environment import describe_environment
from worker.context import WorkerContext
from worker.devices import model_of
from worker.start import threads_of

log = structlog.get_logger(__name__)

# Fields of a spec that the result does not depend on, or that are in the key by another name, with the reason. Every
# other field is in the key: a new one is, until somebody adds it here.
NOT_IN_KEY: Mapping[str, str] = {
    "dataset": "a path; the data set's content hash is in the key",
    "device": "what it comes to is part of the hardware",
    "threads": "part of the hardware",
    "lr_cache": "where the cache lies",
    "transformer": "a path; the hashes of that run's files are in the key",
    "gnn": "a path; the hashes of that run's files are in the key",
    "training.checkpoint_every_steps": "a run that went on from a checkpoint gives the same bytes",
}
BASES = ("transformer", "gnn")
CPU_INFO = Path("/proc/cpuinfo")


def reuse_equal_run(context: WorkerContext, claim: Claim, spec: Mapping[str, Any], *, gpu: str | None) -> bool:
    """End the run with the result of an equal one; return whether it has ended so.

    Whatever goes wrong, the answer is no, and the run is trained.

    Args:
        context: Of the worker.
        claim: The attempt; only a first one reuses anything.
        spec: That the trainer would get.
        gpu: That the trainer would see, as CUDA_VISIBLE_DEVICES names it.
    """
    if not ENTRY_OF[claim.cell].checkpoints:
        return False
    try:
        with context.database.read() as session:
            content = content_hash_of(session, claim.run_id)
        hardware = hardware_class(gpu, threads_of(context))
        key = None if content is None or hardware is None else key_of(spec, content=content, hardware=hardware)
        goes_on = claim.resume_from is not None
        with context.database.begin() as session:
            may = record_key(session, run_id=claim.run_id, attempt=claim.attempt, key=key, goes_on=goes_on)
        if key is None or not may or goes_on or claim.attempt > 1:
            return False
        original = _whole_run(context, key)
        return original is not None and _end(context, claim, original)
    # An equal run saves time; nothing about it is a reason not to train.
    except Exception:
        log.warning("no_run_reused", exc_info=True)
        return False


def key_of(spec: Mapping[str, Any], *, content: str, hardware: Mapping[str, Any]) -> str:
    """Return the hash of everything that the result of a training depends on.

    Args:
        spec: As JSON, with every default.
        content: Hash of the data set's content.
        hardware: Of `hardware_class`.

    Raises:
        OSError: The result of a model that the run joins cannot be read.
        ValueError: It is damaged.
    """
    fields = {path: value for path, value in leaves_of(spec) if path not in NOT_IN_KEY}
    bases = {name: spec[name] for name in BASES if isinstance(spec.get(name), str)}
    return sha256_of_json(
        {
            "spec": fields,
            "dataset": content,
            "bases": {name: dict(read_result(Path(path) / RESULT_NAME).artifacts) for name, path in bases.items()},
            "checkpoint": _files_of(fields.get("model.checkpoint")),
            "hardware": dict(hardware),
            "code": _code(),
        }
    )


@lru_cache(maxsize=1)
def _code() -> dict[str, Any]:
    """Return the code that trains, with its packages: a worker imports it once."""
    found = describe_environment(device="", threads=1, precision="")
    return found.model_dump(include={"code_version", "packages", "python"})


def hardware_class(gpu: str | None, threads: int) -> dict[str, Any] | None:
    """Return what of this machine changes the last digits; None where the GPU's model is not known.

    Args:
        gpu: As CUDA_VISIBLE_DEVICES names it; None: the CPU.
        threads: CPU threads of the trainer.
    """
    device = "cpu" if gpu is None else model_of(gpu)
    if device is None:
        return None
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "device": device,
        "threads": threads,
    }


def _processor() -> str:
    try:
        lines = CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor())


def _files_of(checkpoint: object) -> list[Any] | None:
    """Return the files of a checkpoint's folder with sizes and times of change; None where it is no folder."""
    if not isinstance(checkpoint, str) or not Path(checkpoint).is_dir():
        return None
    folder = Path(checkpoint)
    files = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
    return [[path.relative_to(folder).as_posix(), found.st_size, found.st_mtime_ns] for path, found in files]


def _whole_run(context: WorkerContext, key: str) -> str | None:
    """Return the newest finished run of a key whose files are all there, as they were left."""
    with context.database.read() as session:
        found = [(run.id, run.path, run.result) for run in equal_runs(session, key)]
    for run_id, path, result in found:
        if path is not None and result is not None and _is_whole(context.settings.artifacts / path, result):
            return run_id
        log.warning("equal_run_is_damaged", original=run_id)
    return None


def _is_whole(folder: Path, kept: Mapping[str, Any]) -> bool:
    try:
        result = read_result(folder / RESULT_NAME)
        return result == RunResult.model_validate(kept) and all(
            sha256_of_file(folder / name) == expected for name, expected in result.artifacts.items()
        )
    except (OSError, ValueError):
        return False


def _end(context: WorkerContext, claim: Claim, original: str) -> bool:
    with context.database.begin() as session:
        ended = reuse(session, run_id=claim.run_id, attempt=claim.attempt, original=original)
        if ended:
            after_run(session, run_id=claim.run_id, artifacts=context.settings.artifacts)
    log.info("equal_run_reused", original=original, ended=ended)
    return ended
