"""The doorbell's task: whatever the message says, work off what waits in SQL."""

import time

import structlog

from service.store.claims import Claim, claim_next
from service.store.runs import has_queued
from worker.house import UNREACHABLE, House
from worker.supervisor import supervise

CLAIM_TRIES = 5
CLAIM_RETRY_S = 0.05
log = structlog.get_logger(__name__)


def answer_doorbell(house: House) -> int:
    """Claim and supervise waiting runs until none is left; return how many there were."""
    count = 0
    while not house.draining.is_set() and (claim := _claim(house)) is not None:
        supervise(house, claim)
        count += 1
    return count


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
                if claim is not None or not has_queued(session, settings.queues):
                    return claim
        except UNREACHABLE as error:
            # The reconciler rings again.
            log.warning("database_not_reached", error=str(error.orig))
            return None
        time.sleep(CLAIM_RETRY_S * (attempt + 1))
    return None
