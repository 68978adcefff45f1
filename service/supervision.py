"""Long-lived threads that do not die for good: each is started again after a growing pause; its death is reported."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.store.database import Database
from service.store.watched import record_death

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# A thread that has run for this long starts again with the first pause.
STEADY_AFTER_S = 60.0
log = structlog.get_logger(__name__)


class Supervision:
    """Runs the long-lived work of one process, and counts its deaths in SQL, where `/readyz` and `/metrics` read them.

    Args:
        process: Kind of the process: api, worker, reconciler or up.
        database: Where deaths are counted; None: they are only logged.
        first_pause_s: From the first death to the new start; doubled at each further one.
    """

    def __init__(self, process: str, database: Database | None = None, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._process = process
        self._database = database
        self._first_pause_s = first_pause_s
        self._lock = threading.Lock()
        self._unwritten: Counter[tuple[str, str]] = Counter()

    def thread(self, name: str, work: Callable[[], None], stop: threading.Event) -> threading.Thread:
        """Return a started daemon thread that does the work until `stop` is set; see `run`."""
        thread = threading.Thread(target=self.run, args=(name, work, stop), name=name, daemon=True)
        thread.start()
        return thread

    def run(self, name: str, work: Callable[[], None], stop: threading.Event) -> None:
        """Do the work; after an exception do it again, until it returns or `stop` is set.

        Args:
            name: Of the thread, for the log, `/readyz` and `/metrics`.
            work: Returns when `stop` is set.
            stop: Ends the pauses too.
        """
        pause_s = self._first_pause_s
        while not stop.is_set():
            begun = time.monotonic()
            try:
                work()
            # Whatever ended it: the next try may succeed, and without one the work would rest for ever.
            except Exception as error:  # noqa: BLE001 - reported below
                if time.monotonic() - begun > STEADY_AFTER_S:
                    pause_s = self._first_pause_s
                self.report(name, error, again_in_s=pause_s)
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._write()
            else:
                return

    def report(self, name: str, error: Exception, *, again_in_s: float = 0.0) -> None:
        """Log and count the death of a thread, or of one round of its work."""
        log.error("thread_died", process=self._process, thread=name, again_in_s=again_in_s, exc_info=error)
        with self._lock:
            self._unwritten[name, type(error).__name__] += 1
        self._write()

    def _write(self) -> None:
        """Count in SQL what is not counted yet; what the database refuses now is written later."""
        with self._lock:
            deaths, self._unwritten = self._unwritten, Counter()
        if self._database is None or not deaths:
            return
        try:
            with self._database.begin() as session:
                for (thread, error), number in deaths.items():
                    record_death(session, process=self._process, thread=thread, error=error, deaths=number)
        except SQLAlchemyError as error:
            log.warning("deaths_not_counted", error=str(error))
            with self._lock:
                self._unwritten.update(deaths)
