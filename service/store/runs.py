"""Reading runs: their rows, curves, events and logs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from service.domain.errors import NotFound
from service.domain.states import RunState
from service.store.tables import EventRow, LogRow, MetricRow, RunRow


@dataclass(frozen=True, kw_only=True)
class MetricCurve:
    """One metric of one run: `values[i]` was measured at `steps[i]`; steps ascend."""

    key: str
    steps: list[int]
    values: list[float]


def get_run(session: Session, run_id: str) -> RunRow:
    """Return a run.

    Raises:
        NotFound: There is no such run.
    """
    run = session.scalar(select(RunRow).where(RunRow.id == run_id))
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run


def list_runs(
    session: Session, *, limit: int = 50, after: str | None = None, state: RunState | None = None
) -> Sequence[RunRow]:
    """Return a page of runs, newest first; `after` is the last id of the page before."""
    chosen = select(RunRow).order_by(RunRow.id.desc()).limit(limit)
    if after is not None:
        chosen = chosen.where(RunRow.id < after)
    if state is not None:
        chosen = chosen.where(RunRow.state == state)
    return session.scalars(chosen).all()


def has_queued(session: Session, queues: Sequence[str]) -> bool:
    """Return whether a run waits in one of these queues."""
    waiting = select(RunRow.id).where(RunRow.state == RunState.QUEUED, RunRow.queue.in_(queues)).limit(1)
    return session.scalar(waiting) is not None


def metrics_of(session: Session, run_id: str, keys: Iterable[str] | None = None) -> list[MetricCurve]:
    """Return a run's curves by key; where two attempts measured the same step, the later one counts.

    A run in the place of another goes on from its checkpoint, and so do its curves.

    Args:
        keys: Only these; None: all.
    """
    run, earlier = aliased(RunRow), aliased(RunRow)
    chosen = (
        select(MetricRow.key, MetricRow.step, MetricRow.value)
        .join(earlier, MetricRow.run_id == earlier.id)
        .join(run, (run.job_id == earlier.job_id) & (run.seed == earlier.seed))
        .where(run.id == run_id, earlier.created_at <= run.created_at)
    )
    if keys is not None:
        chosen = chosen.where(MetricRow.key.in_(list(keys)))
    curves: dict[str, dict[int, float]] = {}
    ordered = chosen.order_by(MetricRow.key, MetricRow.step, earlier.created_at, MetricRow.attempt)
    for key, step, value in session.execute(ordered):
        curves.setdefault(key, {})[step] = value
    return [MetricCurve(key=key, steps=list(at), values=list(at.values())) for key, at in curves.items()]


def events_of(
    session: Session,
    *,
    run_id: str | None = None,
    experiment_id: str | None = None,
    after: int = 0,
    limit: int = 500,
) -> Sequence[EventRow]:
    """Return events in order, of one run or of a whole experiment.

    Args:
        after: Only those with a higher id.
        limit: At most so many.
    """
    chosen = select(EventRow).where(EventRow.id > after).order_by(EventRow.id).limit(limit)
    if run_id is not None:
        chosen = chosen.where(EventRow.run_id == run_id)
    if experiment_id is not None:
        chosen = chosen.where(EventRow.experiment_id == experiment_id)
    return session.scalars(chosen).all()


def logs_of(session: Session, run_id: str, *, attempt: int | None = None) -> Sequence[LogRow]:
    """Return what a run's trainers printed, in order; `attempt`: only that one's."""
    chosen = select(LogRow).where(LogRow.run_id == run_id).order_by(LogRow.attempt, LogRow.number)
    if attempt is not None:
        chosen = chosen.where(LogRow.attempt == attempt)
    return session.scalars(chosen).all()
