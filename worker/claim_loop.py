"""Claim queued runs and supervise each, until none is left: what a slot of a worker does."""

import time

import structlog
from sqlalchemy.orm import Session

from service.store.claims import Claim, claim_next, is_anything_open
from service.store.queue import run_for_others
from worker.attempt import supervise
from worker.context import UNREACHABLE, WorkerContext
from worker.room import may_start_runs

CLAIM_TRIES = 5
CLAIM_RETRY_S = 0.05
FORWARD_AFTER_S = 0.5
log = structlog.get_logger(__name__)


def work_off_queue(context: WorkerContext, claim: Claim | None = None) -> int:
    """Supervise a claim, then claim and supervise queued runs until none is left.

    Args:
        context: Of the worker.
        claim: The first run; None: claim that too.

    Returns:
        The number of attempts that were supervised.
    """
    count = 0
    claim = claim or claim_run(context)
    while claim is not None:
        supervise(context, claim)
        count += 1
        claim = claim_run(context)
    forward_notification(context)
    return count


def forward_notification(context: WorkerContext, *, full: bool = False) -> None:
    """Forward a notification that this worker cannot follow to a worker with room.

    Args:
        context: Of the worker.
        full: Whether all of its slots are taken; else only a draining worker forwards.
    """
    try:
        with context.database.read() as session:
            left = run_for_others(session, context.worker_id, full=full)
    except UNREACHABLE as error:
        # Whoever has room looks at its next heartbeat.
        log.warning("database_not_reached", error=str(error))
        return
    if left is None:
        return
    # Delayed where this worker itself may receive the forwarded message; a full one receives none.
    if full or not context.draining.wait(FORWARD_AFTER_S):
        run_id, queue = left
        context.notifier.notify(run_id, queue)


def has_work(context: WorkerContext) -> bool:
    """Return whether a run waits that this worker may claim; takes no lock, so it costs others nothing."""
    try:
        with context.database.read() as session:
            return _is_anything_open(context, session)
    except UNREACHABLE as error:
        log.warning("database_not_reached", error=str(error))
        return False


def _is_anything_open(context: WorkerContext, session: Session) -> bool:
    settings = context.settings
    return is_anything_open(
        session, worker=context.worker_id, queues=settings.queues, max_running=settings.max_running_runs
    )


def claim_run(context: WorkerContext) -> Claim | None:
    """Claim the next run; try again while the only queued rows are locked by other transactions."""
    settings = context.settings
    for attempt in range(CLAIM_TRIES):
        if context.draining.is_set() or not may_start_runs(context):
            return None
        try:
            with context.database.begin() as session:
                claim = claim_next(
                    session,
                    worker=context.worker_id,
                    queues=settings.queues,
                    lease_s=settings.lease_s,
                    max_running=settings.max_running_runs,
                )
                if claim is not None or not _is_anything_open(context, session):
                    return claim
        except UNREACHABLE as error:
            # The next heartbeat looks again.
            log.warning("database_not_reached", error=str(error))
            return None
        time.sleep(CLAIM_RETRY_S * (attempt + 1))
    return None
