"""The end of an attempt: written once, with everything that waited for it."""

import time
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import RESULT_NAME
from cellgate.contract.results import read_result
from cellgate.contract.states import FailureReason
from service.broker.notify import notify_waiting_runs
from service.store.claims import Claim
from service.store.lifecycle import cancelled, fail, release, succeed
from service.store.pipeline import after_run
from worker.context import DATABASE_RETRY_S, UNREACHABLE, WorkerContext
from worker.outcome import Abandoned, AttemptOutcome, Cancelled, Failed, Released, Succeeded
from worker.text import storable

log = structlog.get_logger(__name__)


def end_attempt(
    context: WorkerContext, claim: Claim, folder: Path, outcome: AttemptOutcome, *, exit_code: int | None
) -> None:
    """Write the end and move on what waited for it in one transaction; then notify for what is next.

    Args:
        folder: The attempt's output folder: a result counts as it lies on disk.
    """
    if isinstance(outcome, Abandoned):
        return
    result: dict[str, Any] = {}
    if isinstance(outcome, Succeeded):
        result, problem = _read_result(folder / RESULT_NAME)
        if problem is not None:
            outcome = Failed(reason=FailureReason.INVALID_RESULT, detail=problem)
    deadline = time.monotonic() + context.settings.lease_s
    while True:
        try:
            _write(context, claim, outcome, result, exit_code)
            break
        except UNREACHABLE:
            # Beyond its lease the run is the reconciler's.
            if time.monotonic() > deadline:
                log.exception("end_not_written")
                return
            time.sleep(DATABASE_RETRY_S)
    notify_waiting_runs(context.database, context.notifier)


def _write(
    context: WorkerContext, claim: Claim, outcome: AttemptOutcome, result: dict[str, Any], exit_code: int | None
) -> None:
    try:
        with context.database.begin() as session:
            _write_end(session, claim, outcome, result, exit_code)
            after_run(session, run_id=claim.run_id, artifacts=context.settings.artifacts)
    except UNREACHABLE:
        raise
    # Here a run ends, whatever its pipeline cannot do with it: the reconciler tries to move that on again.
    except Exception:
        log.exception("pipeline_not_moved_on")
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
        case Released(why=why, counts=counts):
            release(session, **run, why=storable(why), exit_code=exit_code, counts=counts)


def _read_result(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return result.json as it lies on disk, or what is wrong with it."""
    try:
        return storable(read_result(path).model_dump(mode="json")), None
    except (OSError, ValueError) as error:
        return {}, f"{path.name} is missing or breaks its schema: {error}"
