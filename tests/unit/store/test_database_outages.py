"""What is said of a database that did not do as asked is what was seen."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from service.store.database import Database, new_engine
from service.store.database_outages import UNKNOWN, describe_outage


@contextmanager
def raised(kind: type[Exception]) -> Iterator[list[str]]:
    said: list[str] = []
    with pytest.raises(kind) as error:
        yield said
    said.append(describe_outage(error.value))


def sqlite_error(code: int) -> OperationalError:
    error = sqlite3.OperationalError("made")
    error.sqlite_errorcode = code
    return OperationalError("", None, error)


def test_a_locked_sqlite_file_is_told_as_locked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'made.db'}"
    writer, other = new_engine(url), new_engine(url)
    with writer.connect() as holder, other.connect() as waiter:
        holder.execute(text("CREATE TABLE t (n INTEGER)"))
        waiter.rollback()
        waiter.connection.execute("PRAGMA busy_timeout = 1")
        with raised(OperationalError) as said:
            waiter.execute(text("CREATE TABLE u (n INTEGER)"))
    writer.dispose()
    other.dispose()

    assert said == ["the database stayed locked by another writer: try again"]


def test_a_read_only_sqlite_file_is_told_as_read_only(tmp_path: Path) -> None:
    file = tmp_path / "made.db"
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE t (n INTEGER)")
    made.close()
    engine = new_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
    with raised(OperationalError) as said, engine.connect() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    engine.dispose()

    assert said[0].startswith("the database is read-only")


def test_a_sqlite_path_that_is_a_folder_is_told_as_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}", patience_s=0)
    with raised(OperationalError) as said, database.read() as session:
        session.execute(text("SELECT 1"))

    assert said[0].startswith("the database file cannot be opened")
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


def test_a_pool_without_a_free_connection_is_told_as_such(tmp_path: Path) -> None:
    engine = new_engine(f"sqlite:///{tmp_path / 'made.db'}")
    # Waiting for 30 s would show nothing more.
    engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    engine.pool._max_overflow = 0  # type: ignore[attr-defined]
    held = [engine.connect() for _ in range(20)]
    with raised(NoConnectionFree) as said:
        engine.connect()
    for connection in held:
        connection.close()
    engine.dispose()

    assert said[0].startswith("all of this process's connections to the database are in use")


def test_an_address_where_nobody_listens_refuses_connections() -> None:
    with raised(psycopg.OperationalError) as said:
        psycopg.connect("postgresql://nobody@127.0.0.1:1/made")

    assert said[0].startswith("the database's address refuses connections")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ('connection failed: FATAL:  password authentication failed for user "anna"', "refused the password"),
        ('connection failed: FATAL:  role "anna" does not exist', "refused the user"),
        ('connection failed: FATAL:  database "made" does not exist', "no database of this name"),
        ("connection failed: FATAL:  sorry, too many clients already", "has no connection left"),
        ("connection failed: FATAL:  the database system is starting up", "starting, stopping or recovering"),
        ("failed to resolve host 'db.invalid': Name or service not known", "cannot be resolved"),
        ("connection timeout expired", "did not answer in time"),
        ("consuming input failed: server closed the connection unexpectedly", "closed the connection"),
        ("something new", UNKNOWN),
    ],
)
def test_a_connection_that_was_not_made_is_told_by_the_servers_words_without_names(message: str, says: str) -> None:
    said = describe_outage(OperationalError("", None, psycopg.OperationalError(message)))

    assert says in said
    assert "anna" not in said


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (psycopg.errors.ReadOnlySqlTransaction(), "the database is read-only"),
        (psycopg.errors.DeadlockDetected(), "one of two transactions"),
        (psycopg.errors.AdminShutdown(), "being stopped or restarted"),
        (psycopg.errors.UndefinedColumn(), UNKNOWN),
    ],
)
def test_an_error_with_a_code_is_told_by_its_code(error: Exception, says: str) -> None:
    assert says in describe_outage(OperationalError("", None, error))


def test_an_unknown_code_claims_no_cause() -> None:
    assert describe_outage(sqlite_error(sqlite3.SQLITE_INTERNAL)) == UNKNOWN
