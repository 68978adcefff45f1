"""The longest time that one statement may take, on SQLite and on PostgreSQL."""

import math
import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

# Of SQLite's virtual machine: some milliseconds.
STEPS_BETWEEN_LOOKS = 100_000
# query_canceled, of PostgreSQL.
CANCELED = "57014"


def limit_statements(engine: Engine, timeout_s: float) -> None:
    """Let statements that take longer end with an error."""
    if engine.dialect.name == "sqlite":
        _limit_on_sqlite(engine, timeout_s)
        return

    def limit(connection: Any, _record: Any) -> None:
        connection.execute(f"SET statement_timeout = {round(1000 * timeout_s)}")
        connection.commit()

    event.listen(engine, "connect", limit)


def _limit_on_sqlite(engine: Engine, timeout_s: float) -> None:
    # SQLite has no clock: it asks now and then whether to go on.
    deadlines: dict[int, float] = {}

    def begun(_connection: Connection, cursor: Any, *_: Any) -> None:
        deadlines[id(cursor.connection)] = time.monotonic() + timeout_s

    def watch(connection: Any, _record: Any) -> None:
        key = id(connection)
        connection.set_progress_handler(lambda: time.monotonic() > deadlines.get(key, math.inf), STEPS_BETWEEN_LOOKS)

    event.listen(engine, "connect", watch)
    event.listen(engine, "before_cursor_execute", begun)


def took_too_long(error: DBAPIError) -> bool:
    """Return whether a statement was ended because it took longer than it may."""
    found = error.orig
    return getattr(found, "sqlstate", None) == CANCELED or getattr(found, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
