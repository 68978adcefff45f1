"""The doorbell's task: whatever the message says, work off what waits in SQL."""

import time

import structlog

from service.store.claims import Claim, claim_next, is_anything_open
from service.store.draining import left_to_others
from worker.attempt import supervise
from worker.context import UNREACHABLE, House

CLAIM_TRIES = 5
CLAIM_RETRY_S = 0.05
LEAVE_S = 0.5
log = structlog.get_logger(__name__)


def answer_doorbell(house: House) -> int:
    """Claim and supervise waiting runs until none is left; return how many there were."""
    count = 0
    while not house.draining.is_set() and (claim := _claim(house)) is not None:
        supervise(house, claim)
        count += 1
    _leave_to_others(house)
    return count


def _leave_to_others(house: House) -> None:
    """Ring again for what this worker must leave, as it drains: it has heard a doorbell that was meant for another."""
    try:
        with house.database.read() as session:
            left = left_to_others(session, house.worker_id)
    except UNREACHABLE as error:
        # The reconciler rings again.
        log.warning("database_not_reached", error=str(error.orig))
        return
    # Not at once: it may well be this worker that hears it again.
    if left is not None and not house.draining.wait(LEAVE_S):
        run_id, queue = left
        house.bell.ring(run_id, queue)


def _claim(house: House) -> Claim | None:
    """Claim the next run; look again while a row waits that somebody else holds locked at this moment."""
    settings = house.settings
    for attempt in range(CLAIM_TRIES):
        try:
            with house.database.begin() as session:
                claim = claim_next(
                    session,
                    worker=house.worker_id,
                    queues=settings.queues,
                    lease_s=settings.lease_s,
                    max_running=settings.max_running_runs,
                )
                if claim is not None or not is_anything_open(session, worker=house.worker_id, queues=settings.queues):
                    return claim
        except UNREACHABLE as error:
            # The reconciler rings again.
            log.warning("database_not_reached", error=str(error.orig))
            return None
        time.sleep(CLAIM_RETRY_S * (attempt + 1))
    return None
