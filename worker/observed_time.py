"""The time that one reconciler has seen pass: it decides when a lease is lost, and makes the uptime grow."""

import time
from collections.abc import Callable

from service.domain.stillness import StillnessWatch, Stopwatch
from service.settings import Settings
from service.store.database import Database
from service.store.leases import LeaseMark, lease_marks
from service.store.uptime import advance_uptime, read_uptime_s, stamp_what_changed

# The uptime is written this often: limits of queues and verdicts about workers need no finer one.
UPTIME_EVERY_S = 2.0
# Of the lease: what one gap between two looks counts at most. A live worker renews within it (worker.monitor.RENEW_AT),
# so an observer that wakes from a freeze sees that before it counts to the end.
LONGEST_GAP = 0.25
# Looks take time too, and a slow database must not keep leases from ever expiring.
LONGEST_GAP_IN_ROUNDS = 2.0


class ObservedTime:
    """Watches leases and workers by a monotonic clock.

    Args:
        database: Where they are.
        settings: Of the reconciler.
        clock: Seconds, monotonic.
    """

    def __init__(self, database: Database, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._lease_s = settings.lease_s
        longest_gap_s = max(LONGEST_GAP * settings.lease_s, LONGEST_GAP_IN_ROUNDS * settings.reconcile_every_s)
        self._clock = clock
        self._leases: StillnessWatch[str, LeaseMark] = StillnessWatch(longest_gap_s)
        self._watch = Stopwatch(longest_gap_s)
        self._uptime_s: float | None = None
        self._unwritten_s = 0.0

    def look(self) -> dict[str, LeaseMark]:
        """Return the leases that have stood still for their length, by run; advance the uptime.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached.
        """
        with self._database.read_rows() as connection:
            marks = lease_marks(connection)
        still_s = self._leases.look(self._clock(), marks)
        self._advance()
        return {run: mark for run, mark in marks.items() if still_s[run] >= (mark.lease_s or self._lease_s)}

    def _advance(self) -> None:
        self._unwritten_s += self._watch.lap(self._clock())
        if self._uptime_s is not None and self._unwritten_s < UPTIME_EVERY_S:
            return
        with self._database.begin() as session:
            seen_s = read_uptime_s(session) if self._uptime_s is None else self._uptime_s
            self._uptime_s = advance_uptime(session, seen_s=seen_s, by_s=self._unwritten_s)
            stamp_what_changed(session)
        self._unwritten_s = 0.0
