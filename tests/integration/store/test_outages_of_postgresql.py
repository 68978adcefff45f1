"""What PostgreSQL refuses is told as what was seen, by a real server."""

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from service.store.database import Database, new_engine
from service.store.database_outages import describe_outage


def said(url: str, *statements: str) -> str:
    engine = new_engine(url)
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    except DBAPIError as error:
        return describe_outage(error)
    finally:
        engine.dispose()
    raise AssertionError("nothing was refused")


def test_a_database_a_user_and_a_server_that_are_not_there_are_told_apart(postgres_url: str) -> None:
    here = make_url(postgres_url)

    def with_(**changes: object) -> str:
        return here.set(**changes).render_as_string(hide_password=False)  # type: ignore[arg-type]

    assert "no database of this name" in said(with_(database="made_up"))
    assert "refused the user" in said(with_(username="made_up"))
    elsewhere = here.set(host="127.0.0.1", port=1, query={}).render_as_string(hide_password=False)
    assert "refuses connections" in said(elsewhere)


def test_a_standby_a_time_limit_and_a_lock_are_told_apart(postgres_url: str) -> None:
    write = "CREATE TABLE made (n integer)"

    assert "is read-only" in said(postgres_url, "SET TRANSACTION READ ONLY", write)
    assert "as its time limits say" in said(postgres_url, "SET LOCAL statement_timeout = 1", "SELECT pg_sleep(5)")
    database = Database(postgres_url)
    with database.begin() as session:
        session.execute(text("LOCK TABLE runs"))
        assert "stayed locked" in said(postgres_url, "SET LOCAL lock_timeout = 1", "LOCK TABLE runs")
    database.dispose()


def test_a_server_that_ends_a_connection_is_told_as_being_stopped_or_lost(postgres_url: str) -> None:
    engine = new_engine(postgres_url)
    with engine.connect() as victim, engine.connect() as killer:
        pid = victim.execute(text("SELECT pg_backend_pid()")).scalar_one()
        killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(OperationalError) as error:
            victim.execute(text("SELECT 1"))
        victim.invalidate()
    engine.dispose()

    found = describe_outage(error.value)
    assert "being stopped or restarted" in found or "closed the connection" in found
