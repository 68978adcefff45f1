"""Claim queued runs and supervise each, until none is left: the task that every notification starts."""

import time

import structlog

from service.store.claims import Claim, claim_next, is_anything_open
from service.store.queue import run_for_others
from worker.attempt import supervise
from worker.context import UNREACHABLE, WorkerContext

CLAIM_TRIES = 5
CLAIM_RETRY_S = 0.05
FORWARD_AFTER_S = 0.5
log = structlog.get_logger(__name__)


def work_off_queue(context: WorkerContext) -> int:
    """Claim and supervise queued runs until none is left; return their number."""
    count = 0
    while not context.draining.is_set() and (claim := _claim(context)) is not None:
        supervise(context, claim)
        count += 1
    _forward_notification(context)
    return count


def _forward_notification(context: WorkerContext) -> None:
    """Forward a notification that a draining worker received to a worker with room."""
    try:
        with context.database.read() as session:
            left = run_for_others(session, context.worker_id)
    except UNREACHABLE as error:
        # The reconciler notifies again.
        log.warning("database_not_reached", error=str(error))
        return
    # Delayed, because this worker may receive the forwarded message itself.
    if left is not None and not context.draining.wait(FORWARD_AFTER_S):
        run_id, queue = left
        context.notifier.notify(run_id, queue)


def _claim(context: WorkerContext) -> Claim | None:
    """Claim the next run; try again while the only queued rows are locked by other transactions."""
    settings = context.settings
    for attempt in range(CLAIM_TRIES):
        try:
            with context.database.begin() as session:
                claim = claim_next(
                    session,
                    worker=context.worker_id,
                    queues=settings.queues,
                    lease_s=settings.lease_s,
                    max_running=settings.max_running_runs,
                )
                if claim is not None or not is_anything_open(session, worker=context.worker_id, queues=settings.queues):
                    return claim
        except UNREACHABLE as error:
            # The reconciler notifies again.
            log.warning("database_not_reached", error=str(error))
            return None
        time.sleep(CLAIM_RETRY_S * (attempt + 1))
    return None
