"""Read runs: their rows, curves and events."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased, load_only

from cellgate.contract.events import EventKind
from service.domain.curves import EVALUATED, epoch_ends, is_by_time
from service.store.filters import EVERYTHING, Filters, matching_runs
from service.store.lookup import get_row
from service.store.paging import FIRST_PAGE, Found, PageOf, find_page
from service.store.tables import WITHOUT_RESULT, AttemptRow, EventRow, JobRow, MetricRow, RunRow

# Each attempt tells its learning rate once.
MOST_TOLD = 50
# Kept: to build it takes longer than to execute it.
_LISTED = select(*WITHOUT_RESULT).where(RunRow.id.in_(bindparam("ids", expanding=True)))
_PROGRESS = (RunRow.steps_total, RunRow.epoch, RunRow.epochs, RunRow.metrics_thinned_at)


@dataclass(frozen=True, kw_only=True)
class MetricCurve:
    """One metric of one run: `values[i]` was measured at `steps[i]`; steps ascend.

    Args:
        times_s: Seconds from the begin of the first attempt to when each point was stored.
    """

    key: str
    steps: list[int]
    values: list[float]
    times_s: list[float]


def get_run(session: Session, run_id: str) -> RunRow:
    """Return a run.

    Raises:
        NotFound: There is no such run.
    """
    return get_row(session, RunRow, run_id)


def list_runs(session: Session, page: PageOf = FIRST_PAGE, wanted: Filters = EVERYTHING) -> Found[Row[Any]]:
    """Return a page of the runs that match the filters, without their results.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
    """
    found = find_page(session, matching_runs(wanted), page)
    return found.of({row.id: row for row in session.execute(_LISTED, {"ids": list(found)})})


def runs_by_id(session: Session, run_ids: Collection[str]) -> dict[str, RunRow]:
    """Return the runs that exist among these ids, by id."""
    return {run.id: run for run in session.scalars(select(RunRow).where(RunRow.id.in_(run_ids)))}


def configs_of(session: Session, run_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the config of each of these runs' jobs, by the run's id."""
    chosen = select(RunRow.id, JobRow.spec).join(JobRow, RunRow.job_id == JobRow.id).where(RunRow.id.in_(run_ids))
    return {run_id: spec for run_id, spec in session.execute(chosen)}  # noqa: C416 - rows are no pairs to mypy


def metrics_of(
    session: Session, run_id: str, keys: Iterable[str] | None = None, *, since_s: float | None = None
) -> list[MetricCurve]:
    """Return a run's curves by key; where two attempts measured the same step, the later one counts.

    A run that replaces another goes on from its checkpoint, and so do its curves. One that reuses the result of
    another has the curves of that. Curves that are measured by time have the seconds since the first attempt began
    for steps, through all attempts.

    Args:
        session: An open transaction.
        run_id: The run.
        keys: Only these; one that ends in `/*` is every key of a group; None: all.
        since_s: Only points that were stored at least so many seconds after the first attempt began; None: all.
    """
    begun = _first_begun(session, run_id)
    earlier = aliased(RunRow)
    chosen = (
        select(MetricRow.key, MetricRow.step, MetricRow.value, MetricRow.at, AttemptRow.started_at)
        .join(earlier, MetricRow.run_id == earlier.id)
        .outerjoin(AttemptRow, (AttemptRow.run_id == MetricRow.run_id) & (AttemptRow.attempt == MetricRow.attempt))
        .where(MetricRow.run_id.in_(_training_runs(run_id)))
    )
    if keys is not None:
        chosen = chosen.where(_is_one_of(keys))
    if since_s is not None:
        chosen = chosen.where(MetricRow.at >= begun + since_s)
    ordered = chosen.order_by(MetricRow.key, MetricRow.step, earlier.created_at, MetricRow.attempt)
    curves: dict[str, dict[int, tuple[float, float]]] = {}
    for key, step, value, at, attempt_begun in session.execute(ordered):
        if is_by_time(key):
            step += round((attempt_begun or begun) - begun)
            at = begun + step
        curves.setdefault(key, {})[step] = (value, at)
    return [_curve(key, points, begun) for key, points in curves.items()]


def _curve(key: str, points: Mapping[int, tuple[float, float]], begun: float) -> MetricCurve:
    # Those of a later attempt come between those of earlier ones where these are measured by time.
    steps = sorted(points)
    return MetricCurve(
        key=key,
        steps=steps,
        values=[points[step][0] for step in steps],
        times_s=[max(0.0, round(points[step][1] - begun, 2)) for step in steps],
    )


def _is_one_of(keys: Iterable[str]) -> ColumnElement[bool]:
    groups = [MetricRow.key.startswith(key[:-1], autoescape=True) for key in keys if key.endswith("/*")]
    return or_(MetricRow.key.in_([key for key in keys if not key.endswith("/*")]), *groups)


def _first_begun(session: Session, run_id: str) -> float:
    """Return when the first attempt began that a run goes on from, in seconds since the epoch."""
    began = select(func.min(AttemptRow.started_at)).where(AttemptRow.run_id.in_(_training_runs(run_id)))
    return session.scalar(began) or 0.0


def epoch_ends_of(session: Session, run_id: str) -> list[tuple[int, float]] | None:
    """Return where the epochs of a run's training end, as steps with the epochs done; None where that is not known."""
    chosen = select(RunRow, JobRow.spec).join(JobRow, RunRow.job_id == JobRow.id).where(RunRow.id == run_id)
    run, spec = session.execute(chosen.options(load_only(*_PROGRESS))).one()
    evaluated = select(MetricRow.step).where(MetricRow.run_id.in_(_training_runs(run_id)), MetricRow.key == EVALUATED)
    steps = session.scalars(evaluated.distinct().order_by(MetricRow.step)).all()
    if run.metrics_thinned_at is not None and len(steps) + 1 < (run.epoch or 0):
        return None
    return epoch_ends(
        steps,
        steps_total=run.steps_total,
        epochs=run.epochs,
        max_steps=(spec.get("training") or {}).get("max_steps"),
    )


def _training_runs(run_id: str) -> Select[str]:
    """Select the runs whose points and events a run goes on from: its own, and those of the runs that it replaces.

    Of a run that reuses the result of another, those of that.
    """
    run, earlier, asked = aliased(RunRow), aliased(RunRow), aliased(RunRow)
    trained = select(func.coalesce(asked.reused_from, asked.id)).where(asked.id == run_id).scalar_subquery()
    return (
        select(earlier.id)
        .join(run, (run.job_id == earlier.job_id) & (run.seed == earlier.seed))
        .where(run.id == trained, earlier.created_at <= run.created_at)
    )


def told_rates(session: Session, run_id: str) -> Sequence[dict[str, Any]]:
    """Return the events, newest first, in which a run or one that it goes on from told its learning rate: their bodies.

    Args:
        session: An open transaction.
        run_id: The run.
    """
    chosen = select(EventRow.body).where(
        EventRow.run_id.in_(_training_runs(run_id)), EventRow.kind == EventKind.LR_FINDER.value
    )
    return session.scalars(chosen.order_by(EventRow.id.desc()).limit(MOST_TOLD)).all()


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
