"""Rows of every table as JSON lines, and back: the same for SQLite and PostgreSQL, so that one restores the other."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import JSON, Connection, Integer, MetaData, Table, delete, func, insert, select, text

# What only means something where it was written: who is alive, what was measured or answered, what is to be removed.
LEFT_OUT = frozenset({"alembic_version", "workers", "idempotency_keys", "storage", "removals"})
# A place with a row in one of these is in use.
IN_USE = ("datasets", "experiments", "jobs", "runs", "bundles", "uploads", "webhooks", "tokens", "audit")
PART_BYTES = 4 << 20
ROWS_AT_ONCE = 1000


def tables_of(connection: Connection) -> dict[str, Table]:
    """Return the tables that a backup has, by name, in an order in which rows can be inserted."""
    metadata = MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True
    return {table.name: table for table in metadata.sorted_tables if table.name not in LEFT_OUT}


def dump(connection: Connection, table: Table) -> Iterator[bytes]:
    """Yield the rows of a table as JSON lines, in parts of a few MiB."""
    part: list[bytes] = []
    size = 0
    chosen = select(table).order_by(*table.primary_key.columns)
    for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(chosen).mappings():
        line = json.dumps(dict(row), ensure_ascii=False).encode() + b"\n"
        part.append(line)
        size += len(line)
        if size >= PART_BYTES:
            yield b"".join(part)
            part, size = [], 0
    if part:
        yield b"".join(part)


def load(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows and return their number."""
    found = [dict(row) for row in rows]
    for at in range(0, len(found), ROWS_AT_ONCE):
        connection.execute(insert(table), found[at : at + ROWS_AT_ONCE])
    return len(found)


def count_on(connection: Connection, tables: Mapping[str, Table]) -> None:
    """Let new rows get higher numbers than those that were loaded."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables.values():
        keys = list(table.primary_key.columns)
        if len(keys) == 1 and isinstance(keys[0].type, Integer):
            name = {"table": table.name, "column": keys[0].name}
            highest = connection.scalar(select(func.max(keys[0])))
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), name)
            if sequence is not None and highest is not None:
                last = {"sequence": sequence, "highest": highest}
                connection.execute(text("SELECT setval(:sequence, :highest)"), last)


def wipe(connection: Connection, tables: Mapping[str, Table]) -> None:
    """Delete every row of these tables."""
    for table in reversed(list(tables.values())):
        connection.execute(delete(table))


def used_tables(connection: Connection) -> list[str]:
    """Return the tables whose rows show that the place is in use; empty where there are no tables yet."""
    tables = tables_of(connection)
    return [
        name
        for name in IN_USE
        if name in tables and connection.execute(select(tables[name]).limit(1)).first() is not None
    ]
