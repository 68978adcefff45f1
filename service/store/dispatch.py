"""The outbox of notifications: which queued runs workers are to be notified of."""

from functools import cache

from sqlalchemy import ColumnElement, Update, or_, select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.store.database import now_s
from service.store.tables import RunRow, table_of


def due_for_dispatch(
    session: Session, *, redispatch_after_s: float | None = None, limit: int = 500
) -> list[tuple[str, str]]:
    """Return (run id, queue) of queued runs that workers must be notified of, and mark them as notified now.

    Args:
        session: An open transaction.
        redispatch_after_s: Include runs whose last notification is older than this; 0: all queued runs; None: none.
        limit: Runs at most.
    """
    return sorted((row.id, row.queue) for row in session.execute(_mark_due(redispatch_after_s, limit)))


def is_anything_due(redispatch_after_s: float) -> ColumnElement[bool]:
    """Return the condition that `due_for_dispatch` would find a run; an index answers each part of it."""
    queued = select(RunRow.id).where(RunRow.state == RunState.QUEUED)
    return or_(*(queued.where(due).exists() for due in _due(redispatch_after_s)))


@cache
def _mark_due(redispatch_after_s: float | None, limit: int) -> Update:
    # Kept: to build it takes longer than to execute it.
    queued = select(RunRow.id).where(RunRow.state == RunState.QUEUED, or_(*_due(redispatch_after_s))).limit(limit)
    # Whoever holds one of them now changes it; as an expression of its own it is evaluated once, up to the limit.
    due = queued.with_for_update(key_share=True, skip_locked=True).cte("due")
    runs = table_of(RunRow)
    marked = update(runs).where(runs.c.id.in_(select(due.c.id))).values(dispatched_at=now_s())
    return marked.returning(runs.c.id, runs.c.queue)


def _due(redispatch_after_s: float | None) -> list[ColumnElement[bool]]:
    never = RunRow.dispatched_at.is_(None)
    if redispatch_after_s is None:
        return [never]
    # A notification of the future was sent before a clock was set back.
    return [never, RunRow.dispatched_at <= now_s() - redispatch_after_s, RunRow.dispatched_at > now_s() + 1.0]
