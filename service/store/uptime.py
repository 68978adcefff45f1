"""Uptime: how long a reconciler has been at work, in all. Durations in SQL are differences of it, not of clocks.

A clock of a host may jump, by NTP, by hand, or with a restored snapshot. The reconciler adds what has passed on its own
monotonic clock, never more per look than a look may take. While no reconciler is at work, uptime stands still.
"""

from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, func, or_, select, update
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.store.tables import RunRow, UptimeRow, WorkerRow

_WAITING_ELSEWHERE = [state for state in RunState if not state.terminal and state is not RunState.QUEUED]


def uptime_s() -> ScalarSelect[float]:
    """Return the current uptime as a subquery of another statement."""
    return select(UptimeRow.seconds).scalar_subquery()


def read_uptime_s(session: Session) -> float:
    """Return the current uptime."""
    return session.scalars(select(UptimeRow.seconds)).one()


def advance_uptime(session: Session, *, seen_s: float, by_s: float) -> float:
    """Advance the uptime and return it; what another reconciler has added since does not count twice.

    Args:
        session: An open transaction.
        seen_s: The uptime that this reconciler saw last.
        by_s: What has passed since, by its monotonic clock.
    """
    later = seen_s + by_s
    session.execute(update(UptimeRow).where(UptimeRow.seconds < later).values(seconds=later))
    return read_uptime_s(session)


def stamp_what_changed(session: Session) -> None:
    """Store the uptime at which runs were seen queued, and workers' hearts were seen to beat.

    Releases up to 0.2 do not store it themselves.
    """
    queued = RunRow.state == RunState.QUEUED
    _stamp(session, queued & RunRow.queued_uptime_s.is_(None), uptime_s())
    left = RunRow.state.in_(_WAITING_ELSEWHERE) & RunRow.queued_uptime_s.is_not(None)
    _stamp(session, left, None)
    unseen = or_(WorkerRow.seen_heartbeat_at.is_(None), WorkerRow.seen_heartbeat_at != WorkerRow.heartbeat_at)
    session.execute(
        update(WorkerRow)
        .where(unseen)
        .values(seen_heartbeat_at=WorkerRow.heartbeat_at, seen_uptime_s=uptime_s())
        .execution_options(synchronize_session=False)
    )


def waited_longer_than(limit_s: SQLColumnExpression[float | None]) -> ColumnElement[bool]:
    """Return the condition that a queued run has waited for longer than a limit, if there is one."""
    return func.coalesce(uptime_s() - RunRow.queued_uptime_s, 0.0) > limit_s


def _stamp(session: Session, chosen: ColumnElement[bool], value: ScalarSelect[float] | None) -> None:
    # In the order of locks; whoever holds a run changes it, and it is looked at again.
    free = select(RunRow.id).where(chosen).order_by(RunRow.id).with_for_update(key_share=True, skip_locked=True)
    stamped = update(RunRow).where(RunRow.id.in_(free)).values(queued_uptime_s=value)
    session.execute(stamped.execution_options(synchronize_session=False))
