"""What is wrong with a database: full, damaged, or just away. Each is an OperationalError that says what to do.

A database that is away is waited for; one that is full or damaged is too, since a person can mend it while the
service runs, but callers are told which it is.

Source:
    https://www.sqlite.org/rescode.html; PostgreSQL 16, appendix A (error codes).
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import ExceptionContext
from sqlalchemy.exc import OperationalError

from cellgate.contract.storage import room_in
from service.store.database_outages import describe_outage

# SQLite cannot tell a full disk from a broken one where it grows its shared memory: 32 KiB at a time.
SQLITE_STEP_BYTES = 1 << 16
_FULL_STATES = frozenset({"53100"})  # disk_full
_DAMAGED_STATES = frozenset({"XX001", "XX002"})  # data_corrupted, index_corrupted
_MISSING_STATES = frozenset({"42P01"})  # undefined_table
_DAMAGED_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DISK_CODES = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
# An extended code has the primary one in its lowest byte.
_PRIMARY = 0xFF
RESTORE = "stop the service, keep a copy of the files, and restore the newest backup"
RECOVER = (
    f"{RESTORE}; without one, `sqlite3 cellgate.db .recover | sqlite3 recovered.db` saves what can still be read, and "
    "the recovered file takes its place"
)


class DatabaseFull(OperationalError):
    """The database's disk has no room: nothing can be written until there is."""

    advice = "the disk of the database is full: make room there; what waits then goes on by itself"


class DatabaseDamaged(OperationalError):
    """The database's content is damaged, or tables of it are missing."""

    advice = f"the database is damaged: {RECOVER}"


def advice_for(error: BaseException) -> str:
    """Return in words what is wrong with the database and what to do."""
    found = f" (found: {getattr(error, 'orig', None) or error})"
    if isinstance(error, DatabaseFull | DatabaseDamaged):
        return error.advice + found
    return describe_outage(error) + found


def name_fault(context: ExceptionContext) -> DatabaseFull | DatabaseDamaged | None:
    """Return a full or damaged database's error in place of the driver's: a listener for `handle_error`, with `retval`.

    It is returned, not raised, so that listeners after this one still hear of the failed statement.
    """
    original = context.original_exception
    database = None if context.engine is None else context.engine.url.database
    kind = fault_of(original, Path(database) if database else None)
    if kind is None or not isinstance(original, Exception):
        return None
    return kind(context.statement, None, original, hide_parameters=True)


def fault_of(error: BaseException, file: Path | None = None) -> type[DatabaseFull] | type[DatabaseDamaged] | None:
    """Return which fault a driver's error shows; None for every other error.

    Args:
        error: Of sqlite3 or psycopg.
        file: The SQLite database.
    """
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, file)
    state = getattr(error, "sqlstate", None)
    return _OF_STATE.get(state) if isinstance(state, str) else None


def _of_sqlite(error: sqlite3.Error, file: Path | None) -> type[DatabaseFull] | type[DatabaseDamaged] | None:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code == sqlite3.SQLITE_FULL:
        return DatabaseFull
    if code in _DAMAGED_CODES or str(error).startswith("no such table"):
        return DatabaseDamaged
    if code in _DISK_CODES and file is not None and _is_full(file):
        return DatabaseFull
    return None


def _is_full(file: Path) -> bool:
    try:
        return not room_in(file.parent).holds(SQLITE_STEP_BYTES)
    except OSError:
        return False


_OF_STATE: Mapping[str, type[DatabaseFull] | type[DatabaseDamaged]] = {
    **dict.fromkeys(_FULL_STATES, DatabaseFull),
    **dict.fromkeys(_DAMAGED_STATES | _MISSING_STATES, DatabaseDamaged),
}
