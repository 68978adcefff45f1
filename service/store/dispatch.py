"""The outbox of notifications: which queued runs workers are to be notified of."""

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.store.database import now_s
from service.store.tables import RunRow
from service.store.transitions import lock_runs


def due_for_dispatch(
    session: Session, *, redispatch_after_s: float | None = None, limit: int = 500
) -> list[tuple[str, str]]:
    """Return (run id, queue) of queued runs that workers must be notified of, and mark them as notified now.

    Args:
        session: An open transaction.
        redispatch_after_s: Include runs whose last notification is older than this; 0: all queued runs; None: none.
        limit: Runs at most.
    """
    chosen = select(RunRow).where(RunRow.state == RunState.QUEUED, or_(*_due(redispatch_after_s))).limit(limit)
    runs = lock_runs(session, chosen, skip=True)
    if not runs:
        return []
    session.execute(
        update(RunRow)
        .where(RunRow.id.in_([run.id for run in runs]))
        .values(dispatched_at=now_s())
        .execution_options(synchronize_session=False)
    )
    return [(run.id, run.queue) for run in runs]


def is_anything_due(redispatch_after_s: float) -> ColumnElement[bool]:
    """Return the condition that `due_for_dispatch` would find a run; an index answers each part of it."""
    queued = select(RunRow.id).where(RunRow.state == RunState.QUEUED)
    return or_(*(queued.where(due).exists() for due in _due(redispatch_after_s)))


def _due(redispatch_after_s: float | None) -> list[ColumnElement[bool]]:
    never = RunRow.dispatched_at.is_(None)
    if redispatch_after_s is None:
        return [never]
    # A notification of the future was sent before a clock was set back.
    return [never, RunRow.dispatched_at <= now_s() - redispatch_after_s, RunRow.dispatched_at > now_s() + 1.0]
