"""Counting the statements that the database runs, and waiting until one waits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text

from service.store.database import Database

WAIT_S = 60.0


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Every SQL statement that any engine executes while the block runs."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def until_one_waits_for_a_lock(database: Database) -> None:
    """Wait until a transaction of this PostgreSQL database waits for a lock of another one."""
    deadline = time.monotonic() + WAIT_S
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while time.monotonic() < deadline:
        with database.read() as session:
            if session.scalar(waiting):
                return
        time.sleep(0.02)
    raise AssertionError("no transaction waits for a lock")
