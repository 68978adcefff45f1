"""The notification's task: whatever the message says, work off what waits in SQL."""

import time

import structlog

from service.store.claims import Claim, claim_next, is_anything_open
from service.store.draining import left_to_others
from worker.attempt import supervise
from worker.context import UNREACHABLE, WorkerContext

CLAIM_TRIES = 5
CLAIM_RETRY_S = 0.05
LEAVE_S = 0.5
log = structlog.get_logger(__name__)


def work_off_queue(context: WorkerContext) -> int:
    """Claim and supervise waiting runs until none is left; return how many there were."""
    count = 0
    while not context.draining.is_set() and (claim := _claim(context)) is not None:
        supervise(context, claim)
        count += 1
    _leave_to_others(context)
    return count


def _leave_to_others(context: WorkerContext) -> None:
    """Forward a notification that a draining worker received: its run is for another worker."""
    try:
        with context.database.read() as session:
            left = left_to_others(session, context.worker_id)
    except UNREACHABLE as error:
        # The reconciler notifies again.
        log.warning("database_not_reached", error=str(error.orig))
        return
    # Not at once: it may well be this worker that hears it again.
    if left is not None and not context.draining.wait(LEAVE_S):
        run_id, queue = left
        context.notifier.notify(run_id, queue)


def _claim(context: WorkerContext) -> Claim | None:
    """Claim the next run; look again while a row waits that somebody else holds locked at this moment."""
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
            log.warning("database_not_reached", error=str(error.orig))
            return None
        time.sleep(CLAIM_RETRY_S * (attempt + 1))
    return None
