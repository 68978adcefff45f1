"""Start the trainer of an attempt: its spec, folder, command line and environment."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from cellgate.contract.artifacts import SPEC_NAME
from cellgate.contract.cells import ENTRY_OF
from cellgate.contract.files import write_json
from cellgate.contract.processes import module_environment
from service.store.claims import Claim
from service.store.run_specs import trainer_spec
from trainers.engine.run_folder import can_go_on
from worker.context import DATABASE_RETRY_S, UNREACHABLE, WorkerContext
from worker.process import Trainer, TrainerProcess, start_cold

log = structlog.get_logger(__name__)

# Share of the lease after which supervisor and trainer give up by their own clocks, whatever the database's shows.
GIVE_UP_AT = 0.8
# Share of the lease to wait for a fork server that is still importing.
FORK_SERVER_PATIENCE = 0.25
KEPT_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_CACHE_HOME"),
        *("VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)
KEPT_PREFIXES = ("HF_", "CUDA_", "NVIDIA_", "TORCH_", "NCCL_", "SSL_")


def spec_of(context: WorkerContext, claim: Claim, *, held_since: float) -> dict[str, Any]:
    """Return the JSON of the attempt's spec, with this worker's device and threads.

    Args:
        context: Of the worker.
        claim: The attempt.
        held_since: When the lease began, by `time.monotonic()`.

    Raises:
        ServiceError: An input of the run is missing.
        pydantic.ValidationError: The job's config is not one for its cell.
        sqlalchemy.exc.OperationalError: The database could not be reached while the lease was held.
    """
    spec = _read_spec(context, claim, until=held_since + GIVE_UP_AT * context.settings.lease_s)
    threads = threads_of(context)
    offered = {"workers": threads, "device": context.settings.device, "threads": threads}
    known = ENTRY_OF[claim.cell].spec.model_fields
    return spec | {name: value for name, value in offered.items() if name in known}


def threads_of(context: WorkerContext) -> int:
    """Return the CPU threads of each of the worker's trainers."""
    return context.settings.threads or max(1, usable_cores() // context.slots)


def start_trainer(
    context: WorkerContext, claim: Claim, folder: Path, spec: dict[str, Any], *, gpu: str | None
) -> TrainerProcess:
    """Return the attempt's running trainer.

    Args:
        context: Of the worker.
        claim: The attempt.
        folder: The attempt's output folder; it is created.
        spec: Of `spec_of`.
        gpu: The one GPU that the trainer sees, as CUDA_VISIBLE_DEVICES names it; None leaves that variable alone.

    Raises:
        OSError: The folder cannot be written, or the process cannot be started.
        ForkServerLost: It is unknown whether the trainer was started.
    """
    settings = context.settings
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SPEC_NAME, spec)
    arguments = [claim.cell.label, "--spec", str(folder / SPEC_NAME), "--out", str(folder)]
    arguments += going_on(settings.artifacts, claim)
    arguments += ["--heartbeat", f"{GIVE_UP_AT * settings.lease_s:g}"]
    environment = trainer_environment(threads_of(context))
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    return TrainerProcess(partial(_start, context, folder, arguments, environment), folder=folder)


def going_on(artifacts: Path, claim: Claim) -> list[str]:
    """Return the option to go on from a checkpoint; none where its files are gone: then the run starts over."""
    if claim.resume_from is None:
        return []
    folder = artifacts / claim.resume_from
    if not can_go_on(folder):
        log.warning("checkpoint_gone", folder=str(folder))
        return []
    return ["--resume", str(folder)]


def _start(
    context: WorkerContext, folder: Path, arguments: list[str], environment: dict[str, str], stdin: int, output: int
) -> Trainer:
    """Start a trainer warm by the fork server, or cold if that is not possible."""
    server = context.fork_server
    if server is not None:
        server.start(environment)
        patience_s = FORK_SERVER_PATIENCE * context.settings.lease_s
        warm = server.fork(arguments, environment=environment, stdin=stdin, output=output, patience_s=patience_s)
        if warm is not None:
            return warm
    command = [*context.command, *arguments]
    return start_cold(command, stdin=stdin, output=output, environment=environment, folder=folder)


def _read_spec(context: WorkerContext, claim: Claim, *, until: float) -> dict[str, Any]:
    settings = context.settings
    while True:
        try:
            with context.database.read() as session:
                return trainer_spec(
                    session,
                    run_id=claim.run_id,
                    artifacts=settings.artifacts,
                    model_roots=settings.models,
                    data_roots=settings.roots,
                )
        except UNREACHABLE:
            if time.monotonic() + DATABASE_RETRY_S > until:
                raise
            time.sleep(DATABASE_RETRY_S)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def trainer_environment(threads: int) -> dict[str, str]:
    """Return the trainer's environment: none of the service's secrets, and its share of threads."""
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }
    return {
        **module_environment(kept),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
