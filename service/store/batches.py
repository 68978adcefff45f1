"""Many rows, a batch at a time: each batch is a transaction of its own, and what one call leaves the next one finds.

One statement over a long backlog says nothing for longer than a connection to PostgreSQL may, is cut, and starts again
from nothing; on SQLite it keeps every other writer waiting.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.store.database import Database, now_s


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much is done at once.

    Args:
        rows: Rows of a batch at most.
        within_s: No batch is begun later than so many seconds after the first.
    """

    rows: int = 1000
    within_s: float = 5.0


PACE = Pace()


def in_batches(
    database: Database, chosen: Select[Any], change: Callable[[Session, Sequence[Any]], object], *, pace: Pace = PACE
) -> int:
    """Change the chosen rows, a batch at a time, and return how many were chosen.

    Nothing is locked while rows are chosen, and between two batches other writers have as long as a batch took.

    Args:
        database: Where the rows are.
        chosen: Keys of the rows that are still to be changed, by an index, without a limit.
        change: Changes the rows of these keys. It must ask again whether they are to be changed.
        pace: How much at once.
    """
    begun_at = time.monotonic()
    count = 0
    while True:
        batch_at = time.monotonic()
        with database.read() as session:
            keys = session.scalars(chosen.limit(pace.rows)).all()
        if keys:
            with database.begin() as session:
                change(session, keys)
        count += len(keys)
        now = time.monotonic()
        if len(keys) < pace.rows or now - begun_at >= pace.within_s:
            return count
        time.sleep(now - batch_at)


def delete_in_batches(
    database: Database, key: InstrumentedAttribute[Any], *gone: ColumnElement[bool], pace: Pace = PACE
) -> int:
    """Delete the rows that meet all conditions, a batch at a time, and return how many were found.

    Args:
        database: Where the rows are.
        key: Primary key of their table.
        gone: The conditions; an index must answer the first.
        pace: How much at once.
    """
    return in_batches(
        database,
        select(key).where(*gone),
        lambda session, keys: delete_rows(session, key, keys, *gone),
        pace=pace,
    )


def delete_rows(
    session: Session, key: InstrumentedAttribute[Any], keys: Sequence[Any], *gone: ColumnElement[bool]
) -> int:
    """Delete those of the rows that still meet the conditions, and return how many."""
    deleted = delete(key.class_).where(key.in_(keys), *gone).returning(key)
    return len(session.execute(deleted.execution_options(synchronize_session=False)).all())


def time_ago_s(database: Database, ago_s: float) -> float:
    """Return the time so long ago by the database's clock, in seconds since the epoch.

    Compared with now_s() itself, which changes from row to row, PostgreSQL would read the whole table.
    """
    with database.read() as session:
        return session.scalars(now_s().select()).one() - ago_s
