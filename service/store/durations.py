"""How long attempts and runs have run: durations by the workers' monotonic clocks."""

from sqlalchemy import ColumnElement, ScalarSelect, case, func, select, update
from sqlalchemy.orm import Session, aliased

from cellgate.contract.states import LEASED
from service.store.database import now_s
from service.store.tables import AttemptRow, RunRow


def seconds_of(attempt: type[AttemptRow]) -> ColumnElement[float]:
    """Return the running time of an attempt in seconds, up to its last renewal while it runs.

    For attempts of workers of release 0.2 and older it is the difference of two readings of a clock, never negative.
    """
    by_clock = func.coalesce(attempt.finished_at, now_s()) - attempt.started_at
    return func.coalesce(attempt.duration_s, case((by_clock > 0.0, by_clock), else_=0.0))


def time_spent_s(session: Session, run_id: str) -> float:
    """Return the running time of a run over all of its attempts so far."""
    return session.scalar(select(func.sum(seconds_of(AttemptRow))).where(AttemptRow.run_id == run_id)) or 0.0


def total_with(run_id: str, attempt: int, duration_s: float) -> ColumnElement[float]:
    """Return a run's running time over all attempts, the given one lasting so long."""
    other = aliased(AttemptRow)
    before: ScalarSelect[float] = (
        select(func.coalesce(func.sum(seconds_of(other)), 0.0))
        .where(other.run_id == run_id, other.attempt != attempt)
        .scalar_subquery()
    )
    return before + duration_s


def record_running_time(session: Session, *, run_id: str, attempt: int, duration_s: float) -> None:
    """Store how long an attempt has run; do nothing once it has lost the lease.

    Args:
        session: An open transaction.
        run_id: The run.
        attempt: The fencing number.
        duration_s: Since its claim, by the worker's monotonic clock.
    """
    held = session.execute(
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.attempt == attempt, RunRow.state.in_(LEASED))
        .values(running_s=total_with(run_id, attempt, duration_s))
        .returning(RunRow.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    if held is not None:
        store_duration(session, run_id=run_id, attempt=attempt, duration_s=duration_s)


def store_duration(session: Session, *, run_id: str, attempt: int, duration_s: float) -> None:
    """Store the duration of an attempt; the caller has checked that it holds the lease."""
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.run_id == run_id, AttemptRow.attempt == attempt)
        .values(duration_s=duration_s)
        .execution_options(synchronize_session=False)
    )
