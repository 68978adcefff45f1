"""Whether the work that no request waits for is done: by the reconciler, and by the long-lived threads of all."""

import threading
import time
from collections.abc import Callable, Sequence

from cellgate.contract.api.operations import HealthCheck
from service.store.database import Database
from service.store.tables import WatchedThreadRow
from service.store.uptime import read_uptime_s
from service.store.watched import recent_deaths

# A reconciler at work moves the uptime every two seconds; a busy machine may need longer.
STANDS_STILL_S = 30.0


class BackgroundHealth:
    """Judges the background work from what it leaves in SQL.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._uptime_s: float | None = None
        self._moved_at = 0.0

    def check(self, database: Database) -> HealthCheck:
        """Return the finding.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached.
        """
        with database.read() as session:
            uptime_s = read_uptime_s(session)
            deaths = recent_deaths(session)
        still_s = self._stands_still_for(uptime_s)
        if still_s > STANDS_STILL_S:
            detail = f"no reconciler has been at work for {still_s:.0f} s: start `cellgate run-reconciler`"
            return HealthCheck(ok=False, detail=detail)
        if deaths:
            return HealthCheck(ok=False, detail="; ".join(_described(deaths)))
        return HealthCheck(ok=True, detail="no long-lived thread has ended unexpectedly in the last minutes")

    def _stands_still_for(self, uptime_s: float) -> float:
        """Return for how long the uptime has been the same: it never goes back, so two equal looks prove it."""
        now = self._clock()
        with self._lock:
            if uptime_s != self._uptime_s:
                self._uptime_s, self._moved_at = uptime_s, now
            return now - self._moved_at


def _described(deaths: Sequence[WatchedThreadRow]) -> list[str]:
    # Classes only, no messages: this route needs no token.
    return [
        f"{row.thread} ({row.process}) has ended unexpectedly {row.deaths} time(s), last with {row.error}, and was "
        "started again: see that process's log"
        for row in deaths
    ]
