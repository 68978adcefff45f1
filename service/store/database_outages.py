"""What was seen when a database did not do as asked, in words: a driver's one error stands for a dozen causes.

Source:
    https://www.sqlite.org/rescode.html; PostgreSQL 16, appendix A (error codes), and libpq's messages for connections
    that were not made, which have no code.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from sqlalchemy.exc import TimeoutError as NoConnectionFree

# An extended code has the primary one in its lowest byte.
_PRIMARY = 0xFF
_OF_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "the database stayed locked by another writer: try again",
    sqlite3.SQLITE_LOCKED: "a table of the database stayed locked: try again",
    sqlite3.SQLITE_READONLY: "the database is read-only: make its file and folder writable for the service",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened: check CELLGATE_DATABASE_URL and the file's rights",
    sqlite3.SQLITE_PERM: "the database file may not be opened: check its rights",
    sqlite3.SQLITE_AUTH: "the database file may not be opened: check its rights",
    sqlite3.SQLITE_IOERR: "reading or writing the database file failed: look at the disk and the kernel's log",
}
_OF_POSTGRESQL: Mapping[str, str] = {
    "28P01": "the database refused the password: correct it in CELLGATE_DATABASE_URL",
    "28000": "the database refused the user: correct it in CELLGATE_DATABASE_URL, or pg_hba.conf",
    "3D000": "the server has no database of this name: create it, or correct CELLGATE_DATABASE_URL",
    "25006": "the database is read-only: name the primary server, not a standby",
    "42501": "the database's user may not do this: grant it the rights on the schema",
    "53200": "the database server is out of memory",
    "53300": "the database has no connection left: raise its max_connections, or run fewer processes",
    "55P03": "a row or table of the database stayed locked: try again",
    "57014": "the database cancelled the statement, as its time limits say: try again",
    "57P01": "the database server is being stopped or restarted: try again",
    "57P02": "the database server has crashed and recovers: try again",
    "57P03": "the database server is starting, stopping or recovering: try again",
    "40001": "the database could not order two transactions: try again",
    "40P01": "the database ended one of two transactions that waited for each other: try again",
}
# In this order: an error may name several addresses, and a refusal by a server tells more than that another is away.
_OF_WORDS: Sequence[tuple[str, str]] = (
    ("password authentication failed", _OF_POSTGRESQL["28P01"]),
    ("no pg_hba.conf entry", _OF_POSTGRESQL["28000"]),
    ("role ", _OF_POSTGRESQL["28000"]),
    ("too many clients", _OF_POSTGRESQL["53300"]),
    ("remaining connection slots", _OF_POSTGRESQL["53300"]),
    ("the database system is", _OF_POSTGRESQL["57P03"]),
    ("database ", _OF_POSTGRESQL["3D000"]),
    ("ssl", "the database server and the service do not agree on TLS: check sslmode in CELLGATE_DATABASE_URL"),
    ("certificate", "the database server's certificate was not accepted: check sslrootcert in CELLGATE_DATABASE_URL"),
    ("refused", "the database's address refuses connections: start the server, or correct CELLGATE_DATABASE_URL"),
    ("no such file", "there is no socket of a database server: start it, or correct CELLGATE_DATABASE_URL"),
    ("resolve", "the name of the database's host cannot be resolved: correct it in CELLGATE_DATABASE_URL"),
    ("translate host name", "the name of the database's host cannot be resolved: correct it in CELLGATE_DATABASE_URL"),
    ("unreachable", "there is no route to the database's host: check the network"),
    ("timeout", "the database's address did not answer in time: check host, port and firewall"),
    ("timed out", "the database's address did not answer in time: check host, port and firewall"),
    ("closed the connection unexpectedly", "the database closed the connection: try again; its log has the reason"),
    ("connection is lost", "the connection to the database broke off: try again; its log has the reason"),
    ("connection", "the connection to the database failed: try again; the service's log has the driver's message"),
)
UNKNOWN = "the database answered with an error: the service's log has it"


def describe_outage(error: BaseException) -> str:
    """Return what was seen, and what to do; hosts, users and statements are left out, so that anybody may read it.

    Args:
        error: Of SQLAlchemy or a driver; one of a full or damaged database has its own words elsewhere.
    """
    if isinstance(error, NoConnectionFree):
        return "all of this process's connections to the database are in use, and none became free in time: try again"
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return _OF_SQLITE.get(getattr(original, "sqlite_errorcode", 0) & _PRIMARY, UNKNOWN)
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return _OF_POSTGRESQL.get(state, UNKNOWN)
    seen = str(original).lower()
    return next((words for part, words in _OF_WORDS if part in seen and _is_said(part, seen)), UNKNOWN)


def _is_said(part: str, seen: str) -> bool:
    """Whether a part that is also an everyday word stands in the server's sentence about something that is missing."""
    return part not in ("role ", "database ") or "does not exist" in seen
