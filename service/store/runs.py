"""Read runs: their rows, curves and events."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from service.store.filters import EVERYTHING, Filters, matching_runs
from service.store.lookup import get_row
from service.store.paging import FIRST_PAGE, Found, PageOf, find_page, rows_of
from service.store.tables import EventRow, JobRow, MetricRow, RunRow


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
    return get_row(session, RunRow, run_id)


def list_runs(session: Session, page: PageOf = FIRST_PAGE, wanted: Filters = EVERYTHING) -> Found[RunRow]:
    """Return a page of the runs that match the filters.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
    """
    return rows_of(session, RunRow, find_page(session, matching_runs(wanted), page))


def runs_by_id(session: Session, run_ids: Collection[str]) -> dict[str, RunRow]:
    """Return the runs that exist among these ids, by id."""
    return {run.id: run for run in session.scalars(select(RunRow).where(RunRow.id.in_(run_ids)))}


def configs_of(session: Session, run_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the config of each of these runs' jobs, by the run's id."""
    chosen = select(RunRow.id, JobRow.spec).join(JobRow, RunRow.job_id == JobRow.id).where(RunRow.id.in_(run_ids))
    return {run_id: spec for run_id, spec in session.execute(chosen)}  # noqa: C416 - rows are no pairs to mypy


def metrics_of(session: Session, run_id: str, keys: Iterable[str] | None = None) -> list[MetricCurve]:
    """Return a run's curves by key; where two attempts measured the same step, the later one counts.

    A run that replaces another goes on from its checkpoint, and so do its curves. One that reuses the result of
    another has the curves of that.

    Args:
        session: An open transaction.
        run_id: The run.
        keys: Only these; None: all.
    """
    run, earlier = aliased(RunRow), aliased(RunRow)
    trained = select(func.coalesce(RunRow.reused_from, RunRow.id)).where(RunRow.id == run_id).scalar_subquery()
    chosen = (
        select(MetricRow.key, MetricRow.step, MetricRow.value)
        .join(earlier, MetricRow.run_id == earlier.id)
        .join(run, (run.job_id == earlier.job_id) & (run.seed == earlier.seed))
        .where(run.id == trained, earlier.created_at <= run.created_at)
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
    before: int | None = None,
    limit: int = 500,
    newest_first: bool = False,
) -> Sequence[EventRow]:
    """Return events of one run or of a whole experiment, in order, from either end.

    Args:
        session: An open transaction.
        run_id: Only events of this run.
        experiment_id: Only events of this experiment.
        after: Only events with a higher id.
        before: Only events with a lower id.
        limit: Events at most.
        newest_first: Begin with the newest.
    """
    order = EventRow.id.desc() if newest_first else EventRow.id
    chosen = select(EventRow).where(EventRow.id > after).order_by(order).limit(limit)
    if before is not None:
        chosen = chosen.where(EventRow.id < before)
    if run_id is not None:
        chosen = chosen.where(EventRow.run_id == run_id)
    if experiment_id is not None:
        chosen = chosen.where(EventRow.experiment_id == experiment_id)
    return session.scalars(chosen).all()
