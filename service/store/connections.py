"""How connections to the database are set: what was committed survives a crash of every process, and of the machine."""

from typing import Any

from sqlalchemy import Connection

BUSY_TIMEOUT_MS = 30_000
READ_ONLY = "cellgate_read_only"
# Stronger settings, for standbys, stay as they are.
WAIT_FOR_DISK = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)


def configure_sqlite(connection: Any, _record: Any) -> None:
    """Set a new connection of SQLite: a commit returns once it is on the disk."""
    # The driver must not begin transactions of its own: begin_on_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def begin_on_sqlite(connection: Connection) -> None:
    """Begin a transaction of SQLite."""
    reads = connection.get_execution_options().get(READ_ONLY, False)
    # A deferred transaction that turns into a writer fails at once when another wrote in between.
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def commit_durably(connection: Any, _record: Any) -> None:
    """Set a new connection of PostgreSQL: a commit returns once it is on the server's disk."""
    connection.execute(WAIT_FOR_DISK)
    connection.commit()
