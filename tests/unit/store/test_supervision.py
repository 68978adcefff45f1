"""A long-lived thread that ends unexpectedly is started again, and its death is counted."""

import threading

import pytest
from sqlalchemy import text, update
from structlog.testing import capture_logs

from service.store.database import Database
from service.store.tables import UptimeRow
from service.store.watched import RECENT_S, recent_deaths, watched_threads
from service.supervision import Supervision


class Work:
    """Raises these errors, one at each start, and then waits until it is stopped."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.stop = threading.Event()
        self.steady = threading.Event()
        self.starts = 0

    def __call__(self) -> None:
        """Do it."""
        self.starts += 1
        if self._errors:
            raise self._errors.pop(0)
        self.steady.set()
        self.stop.wait()


def deaths(database: Database) -> list[tuple[str, str, int, str]]:
    with database.read() as session:
        return [(row.process, row.thread, row.deaths, row.error) for row in watched_threads(session)]


@pytest.mark.parametrize("error", [UnicodeError("label empty"), KeyError("x"), MemoryError(), RuntimeError("closed")])
def test_whatever_ends_a_thread_it_is_started_again_and_its_death_is_counted(
    database: Database, error: Exception
) -> None:
    work = Work(error, error)
    with capture_logs() as logs:
        thread = Supervision("worker", database, first_pause_s=0.01).thread("heartbeat", work, work.stop)
        assert work.steady.wait(60)
        work.stop.set()
        thread.join(60)

    assert work.starts == 3
    assert deaths(database) == [("worker", "heartbeat", 2, type(error).__name__)]
    assert [entry["thread"] for entry in logs if entry["event"] == "thread_died"] == ["heartbeat"] * 2


def test_the_pauses_grow_and_end_when_the_process_does(database: Database) -> None:
    pauses: list[float] = []
    work = Work(*[ValueError("again")] * 5)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            if len(pauses) == 4:
                self.set()
            return self.is_set()

    Supervision("worker", database).run("heartbeat", work, Stop())

    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert work.starts == 4


def test_work_that_returns_is_not_done_again(database: Database) -> None:
    work = Work()
    work.stop.set()
    Supervision("worker", database).run("heartbeat", work, threading.Event())
    assert (work.starts, deaths(database)) == (1, [])


def test_a_death_that_the_database_could_not_take_is_counted_later(database: Database) -> None:
    supervision = Supervision("worker", database)
    with database.begin() as session:
        session.execute(text("ALTER TABLE watched_threads RENAME TO away"))
    supervision.report("heartbeat", KeyError("x"))
    with database.begin() as session:
        session.execute(text("ALTER TABLE away RENAME TO watched_threads"))
    assert deaths(database) == []

    supervision.report("heartbeat", KeyError("y"))

    assert deaths(database) == [("worker", "heartbeat", 2, "KeyError")]


def test_a_death_is_recent_for_ten_minutes_of_uptime(database: Database) -> None:
    Supervision("worker", database).report("heartbeat", KeyError("x"))
    with database.begin() as session:
        session.execute(update(UptimeRow).values(seconds=RECENT_S - 1))
        assert len(recent_deaths(session)) == 1
        session.execute(update(UptimeRow).values(seconds=RECENT_S + 1))
        assert list(recent_deaths(session)) == []
    assert len(deaths(database)) == 1
