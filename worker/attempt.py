"""One attempt at a run, from its claim to its end: start its trainer, watch it, say how it ended."""

import time
from pathlib import Path

import structlog
from pydantic import ValidationError
from structlog.contextvars import bound_contextvars

from cellgate.contract.states import FailureReason
from service.domain.errors import ServiceError
from service.store.claims import Claim
from worker.catching_up import catch_up
from worker.context import UNREACHABLE, WorkerContext
from worker.end import end_attempt
from worker.fork_server import ForkServerLost
from worker.monitor import AttemptMonitor
from worker.outcome import AttemptOutcome, Failed, Released
from worker.start import start_trainer

log = structlog.get_logger(__name__)


def supervise(context: WorkerContext, claim: Claim) -> None:
    """Take one attempt from its claim to its end; whatever the trainer does becomes the end of the run."""
    with bound_contextvars(run=claim.run_id, attempt=claim.attempt, worker=context.worker_id):
        _supervise(context, claim, held_since=time.monotonic())


def _supervise(context: WorkerContext, claim: Claim, *, held_since: float) -> None:
    folder = context.settings.artifacts / claim.path
    try:
        with context.devices.lend() as gpu:
            outcome, exit_code = _attempt(context, claim, folder, gpu=gpu, held_since=held_since)
            end_attempt(context, claim, folder, outcome, exit_code=exit_code)
    except UNREACHABLE:
        # Its lease runs out, and the reconciler takes it back.
        log.exception("attempt_left_behind")
        return
    # Here a run ends: what was not thought of must not leave it without an end.
    except Exception as error:
        log.exception("supervision_failed")
        detail = f"supervision failed: {type(error).__name__}: {error}"
        outcome, exit_code = Failed(reason=FailureReason.INTERNAL_ERROR, detail=detail), None
        end_attempt(context, claim, folder, outcome, exit_code=exit_code)
    log.info("run_ended", outcome=type(outcome).__name__, exit_code=exit_code)


def _attempt(
    context: WorkerContext, claim: Claim, folder: Path, *, gpu: str | None, held_since: float
) -> tuple[AttemptOutcome, int | None]:
    try:
        process = start_trainer(context, claim, folder, gpu=gpu, held_since=held_since)
    except (ServiceError, ValidationError) as error:
        return _not_started(FailureReason.BAD_SPEC, error), None
    except ForkServerLost as error:
        return Released(why=str(error), counts=True), None
    except OSError as error:
        return _not_started(FailureReason.INTERNAL_ERROR, error), None
    log.info("run_started", cell=claim.cell.label, seed=claim.seed, pid=process.pid)
    try:
        catch_up(context, claim)
        outcome = AttemptMonitor(context, claim, process, folder, held_since=held_since).run()
    finally:
        # Whatever happened here: no trainer outlives its supervisor, and nothing outlives its trainer.
        process.kill()
        process.close()
    return outcome, process.exit_code()


def _not_started(reason: FailureReason, error: Exception) -> Failed:
    log.warning("run_not_started", exc_info=True)
    return Failed(reason=reason, detail=f"the trainer could not be started: {error}")
