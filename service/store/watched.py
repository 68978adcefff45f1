"""Long-lived threads and tasks that have ended unexpectedly: how often, with what, and when last."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.store.database import now_s
from service.store.tables import WatchedThreadRow
from service.store.uptime import uptime_s

# A thread that has not ended for this long counts as mended.
RECENT_S = 600.0


def record_death(session: Session, *, process: str, thread: str, error: str, deaths: int = 1) -> None:
    """Count deaths of a thread.

    Args:
        session: An open transaction.
        process: Kind of its process: api, worker, reconciler or up.
        thread: Its name.
        error: Class of the exception that ended it last.
        deaths: How many to add.
    """
    values = {
        "process": process,
        "thread": thread,
        "deaths": deaths,
        "error": error[:80],
        "died_at": now_s(),
        "died_uptime_s": uptime_s(),
    }
    changed = {name: values[name] for name in ("error", "died_at", "died_uptime_s")}
    changed["deaths"] = WatchedThreadRow.deaths + deaths
    # ON CONFLICT is part of each dialect, not of standard SQL.
    if session.get_bind().dialect.name == "postgresql":
        on_postgresql = postgresql.insert(WatchedThreadRow).values(values)
        session.execute(on_postgresql.on_conflict_do_update(index_elements=["process", "thread"], set_=changed))
    else:
        on_sqlite = sqlite.insert(WatchedThreadRow).values(values)
        session.execute(on_sqlite.on_conflict_do_update(index_elements=["process", "thread"], set_=changed))


def watched_threads(session: Session) -> Sequence[WatchedThreadRow]:
    """Return every thread that has ever ended unexpectedly, by process and name."""
    return session.scalars(select(WatchedThreadRow).order_by(WatchedThreadRow.process, WatchedThreadRow.thread)).all()


def recent_deaths(session: Session) -> Sequence[WatchedThreadRow]:
    """Return the threads that have ended within the last `RECENT_S` of uptime, by process and name."""
    return session.scalars(
        select(WatchedThreadRow)
        .where(WatchedThreadRow.died_uptime_s >= uptime_s() - RECENT_S)
        .order_by(WatchedThreadRow.process, WatchedThreadRow.thread)
    ).all()
