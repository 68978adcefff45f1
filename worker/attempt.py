"""One attempt at a run, from its claim to its end: start the trainer, watch it, store how it ended."""

import time
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from cellgate.contract.artifacts import EVENTS_NAME, RESULT_NAME
from cellgate.contract.results import read_result
from cellgate.contract.states import FailureReason
from cellgate.contract.storage import describe_room, is_disk_full
from service.broker.notify import notify_waiting_runs
from service.domain.errors import ServiceError
from service.domain.trainer_events import storable
from service.store.budgets import overspent
from service.store.claims import Claim
from service.store.database_faults import DatabaseFull
from service.store.durations import record_running_time
from service.store.lifecycle import cancelled, fail, release, succeed
from service.store.pipeline import after_run
from service.store.recorder import import_missing_events
from trainers.engine.run_folder import last_event
from worker.context import DATABASE_RETRY_S, UNREACHABLE, WorkerContext
from worker.fork_server import ForkServerLost
from worker.monitor import AttemptMonitor
from worker.outcome import Abandoned, AttemptOutcome, Cancelled, Failed, Released, Reused, Succeeded, storage_full
from worker.reuse import reuse_equal_run
from worker.room import has_room
from worker.start import spec_of, start_trainer
from worker.tail import read_events

log = structlog.get_logger(__name__)


def supervise(context: WorkerContext, claim: Claim) -> None:
    """Run one attempt from its claim to its end, and store how it ended."""
    with bound_contextvars(run=claim.run_id, attempt=claim.attempt, worker=context.worker_id):
        _supervise(context, claim, held_since=time.monotonic())


def _supervise(context: WorkerContext, claim: Claim, *, held_since: float) -> None:
    folder = context.settings.artifacts / claim.path
    try:
        with context.devices.lend() as gpu:
            outcome, exit_code = _attempt(context, claim, folder, gpu=gpu, held_since=held_since)
            _end_attempt(context, claim, folder, outcome, exit_code=exit_code, held_since=held_since)
    except UNREACHABLE:
        # The lease expires, and the reconciler takes the run back.
        log.exception("attempt_left_behind")
        return
    # The last line of defence: a bug in the supervisor must not leave the run without an end.
    except Exception as error:
        log.exception("supervision_failed")
        outcome, exit_code = _broken(context, folder, error), None
        _end_attempt(context, claim, folder, outcome, exit_code=exit_code, held_since=held_since)
    log.info("run_ended", outcome=type(outcome).__name__, exit_code=exit_code)


def _attempt(
    context: WorkerContext, claim: Claim, folder: Path, *, gpu: str | None, held_since: float
) -> tuple[AttemptOutcome, int | None]:
    try:
        spec = spec_of(context, claim, held_since=held_since)
        if reuse_equal_run(context, claim, spec, gpu=gpu):
            return Reused(), 0
        if (spent := _overspent(context, claim)) is not None:
            return Failed(reason=FailureReason.BUDGET_EXCEEDED, detail=spent), None
        process = start_trainer(context, claim, folder, spec, gpu=gpu)
    except (ServiceError, ValidationError) as error:
        return _not_started(FailureReason.BAD_SPEC, error), None
    except ForkServerLost as error:
        return Released(why=str(error), counts=True), None
    except OSError as error:
        if is_disk_full(error):
            return _without_room(context, folder, error), None
        return _not_started(FailureReason.INTERNAL_ERROR, error), None
    log.info("run_started", cell=claim.cell.label, seed=claim.seed, pid=process.pid)
    try:
        _catch_up(context, claim)
        outcome = AttemptMonitor(context, claim, process, folder, held_since=held_since).run()
    finally:
        # On every path: no trainer outlives its supervisor, and nothing outlives its trainer.
        process.kill()
        process.close()
    return outcome, process.exit_code()


def _overspent(context: WorkerContext, claim: Claim) -> str | None:
    if claim.budget_s is None:
        return None
    with context.database.read() as session:
        return overspent(session, claim.run_id, claim.budget_s)


def _broken(context: WorkerContext, folder: Path, error: Exception) -> AttemptOutcome:
    if is_disk_full(error):
        return _without_room(context, folder, error)
    detail = f"supervision failed: {type(error).__name__}: {error}"
    return Failed(reason=FailureReason.INTERNAL_ERROR, detail=detail)


def _without_room(context: WorkerContext, folder: Path, error: Exception) -> AttemptOutcome:
    detail = f"{folder} cannot be written to ({describe_room(folder)}): {error}"
    return storage_full(detail, has_room=has_room(context))


def _not_started(reason: FailureReason, error: Exception) -> Failed:
    log.warning("run_not_started", exc_info=True)
    return Failed(reason=reason, detail=f"the trainer could not be started: {error}")


def _catch_up(context: WorkerContext, claim: Claim) -> None:
    """Import the events before the checkpoint that the previous attempt did not store."""
    if claim.resume_from is None:
        return
    artifacts = context.settings.artifacts
    try:
        until = last_event(artifacts / claim.resume_from)
        with context.database.begin() as session:
            import_missing_events(
                session, claim, until=until, read_events=lambda path: read_events(artifacts / path / EVENTS_NAME)
            )
    # A gap in the curves is no reason to keep a trainer waiting.
    except (*UNREACHABLE, OSError, ValueError, KeyError):
        log.warning("events_not_imported", exc_info=True)


def _end_attempt(
    context: WorkerContext,
    claim: Claim,
    folder: Path,
    outcome: AttemptOutcome,
    *,
    exit_code: int | None,
    held_since: float,
) -> None:
    """Store the end and advance the pipeline in one transaction; then notify workers of new runs."""
    if isinstance(outcome, Reused):
        # Its end is stored already.
        notify_waiting_runs(context.database, context.notifier)
    if isinstance(outcome, Reused | Abandoned):
        return
    result: dict[str, Any] = {}
    if isinstance(outcome, Succeeded):
        result, problem = _read_result(folder / RESULT_NAME)
        if problem is not None:
            outcome = Failed(reason=FailureReason.INVALID_RESULT, detail=problem)
    deadline = time.monotonic() + context.settings.lease_s
    while True:
        try:
            _record_time(context, claim, time.monotonic() - held_since)
            _write(context, claim, outcome, result, exit_code)
            break
        except UNREACHABLE as error:
            # Beyond its lease the run is the reconciler's, which cannot store that on a full disk either.
            is_full = isinstance(error, DatabaseFull) and not context.draining.is_set()
            if time.monotonic() > deadline and not is_full:
                log.exception("end_not_written")
                return
            time.sleep(DATABASE_RETRY_S)
    notify_waiting_runs(context.database, context.notifier)


def _record_time(context: WorkerContext, claim: Claim, duration_s: float) -> None:
    with context.database.begin() as session:
        record_running_time(session, run_id=claim.run_id, attempt=claim.attempt, duration_s=duration_s)


def _read_result(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return result.json as it lies on disk, or an error message."""
    try:
        return storable(read_result(path).model_dump(mode="json")), None
    except (OSError, ValueError) as error:
        return {}, f"{path.name} is missing or breaks its schema: {error}"


def _write(
    context: WorkerContext, claim: Claim, outcome: AttemptOutcome, result: dict[str, Any], exit_code: int | None
) -> None:
    try:
        with context.database.begin() as session:
            _write_end(session, claim, outcome, result, exit_code)
            after_run(session, run_id=claim.run_id, artifacts=context.settings.artifacts)
    except UNREACHABLE:
        raise
    # The run ends even when its pipeline cannot advance: the reconciler tries again.
    except Exception:
        log.exception("pipeline_not_advanced")
        with context.database.begin() as session:
            _write_end(session, claim, outcome, result, exit_code)


def _write_end(
    session: Session, claim: Claim, outcome: AttemptOutcome, result: dict[str, Any], exit_code: int | None
) -> None:
    run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
    match outcome:
        case Succeeded():
            succeed(session, **run, exit_code=0, result=result)
        case Failed(reason=reason, detail=detail):
            fail(session, **run, reason=reason, detail=storable(detail), exit_code=exit_code)
        case Cancelled():
            cancelled(session, **run, exit_code=exit_code)
        case Released(why=why, counts=counts, gave_up=gave_up):
            release(session, **run, why=storable(why), exit_code=exit_code, counts=counts, gave_up=gave_up)
