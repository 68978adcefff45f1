"""The overview: what needs a person, what runs, and what came out last, in ten statements at most."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, String, and_, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session, aliased

from cellgate.contract.api.overview import MOST_SHOWN
from cellgate.contract.cells import Cell
from cellgate.contract.states import DatasetState, ExperimentState, RunState, Waiting
from service.domain.pipeline import BASES
from service.store.attention import (
    RECENT_S,
    AttentionItem,
    Backlog,
    ids_that_need_a_person,
    of_dataset,
    of_experiment,
    of_queue,
    sorted_by_need,
)
from service.store.database import now_s
from service.store.hints import by_no_index
from service.store.queue import waiting_of
from service.store.summaries import CurrentRun, DatasetFacts, ExperimentOverview, overviews_of
from service.store.tables import DatasetRow, ExperimentRow, JobRow, MetricRow, RunRow, WorkerRow
from service.store.workers import living_workers

# A count goes no further: beyond, it would read an index of any length.
MOST_COUNTED = 10_000
DEV_F1 = "dev/f1"
OPEN = [state.value for state in ExperimentState if not state.terminal]
ENDED = [state.value for state in ExperimentState if state.terminal]
VISIBLE = ExperimentRow.archived_at.is_(None)


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The experiment before on the same data set.

    Args:
        difference: Best F1 of the newer one minus its own.
    """

    id: str
    name: str
    difference: float


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The first page of a dashboard.

    Args:
        running: With epoch and dev F1 of the base run that started last; what waits stands last.
        latest: With the one before on the same data set.
    """

    counts: Mapping[str, int]
    attention: Sequence[AttentionItem]
    running: Sequence[tuple[ExperimentOverview, Sequence[tuple[int, float]]]]
    latest: Sequence[tuple[ExperimentOverview, Previous | None]]


@dataclass(kw_only=True)
class _Chosen:
    """The rows that are shown, each once, and in which lists."""

    rows: dict[str, ExperimentRow] = field(default_factory=dict)
    datasets: dict[str, DatasetFacts] = field(default_factory=dict)
    previous: dict[str, Previous] = field(default_factory=dict)
    lists: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def load_overview(session: Session, *, max_running: int | None = None) -> Overview:
    """Return what needs a person, what runs and what came out last.

    Args:
        session: An open transaction.
        max_running: Limit of leased runs per owner; None: unlimited.
    """
    counts, backlogs = _counts(session)
    workers = living_workers(session)
    chosen = _choose(session)

    def waiting(session: Session, runs: Iterable[RunRow]) -> dict[str, Waiting]:
        return waiting_of(session, runs, max_running=max_running, workers=workers)

    found = {
        one.experiment.id: one for one in overviews_of(session, list(chosen.rows.values()), waiting, chosen.datasets)
    }
    items = [*_of_queues(backlogs, workers), *_of_datasets(session)]
    beyond = counts.pop("candidates") - len(chosen.lists["attention"])
    items += [item for row_id in chosen.lists["attention"] if (item := of_experiment(found[row_id])) is not None]
    counts["attention"] = len(items) + max(0, beyond)
    return Overview(
        counts=counts,
        attention=sorted_by_need(items)[:MOST_SHOWN],
        running=_with_curves(session, [found[row_id] for row_id in chosen.lists["running"]]),
        latest=[(found[row_id], chosen.previous.get(row_id)) for row_id in chosen.lists["latest"]],
    )


def _counts(session: Session) -> tuple[dict[str, int], list[Backlog]]:
    """Return how many experiments there are of each kind, and the queues in which runs wait; one statement."""
    waits = ExperimentState.WAITING.value
    of_experiments = {
        "waiting": ExperimentRow.state == waits,
        "running": ExperimentRow.state.in_([state for state in OPEN if state != waits]),
        "ended": ExperimentRow.state.in_(ENDED),
    }
    queued = (
        select(literal("queue"), RunRow.queue, func.count(), func.min(RunRow.queued_at))
        .where(RunRow.state == RunState.QUEUED.value)
        .group_by(RunRow.queue)
    )
    ids = {name: select(ExperimentRow.id).where(VISIBLE, so) for name, so in of_experiments.items()}
    ids["candidates"] = ids_that_need_a_person()
    numbers = [select(literal(name), cast(null(), String), _capped(of_it), null()) for name, of_it in ids.items()]
    counts: dict[str, int] = {}
    backlogs = []
    for what, queue, count, since in session.execute(union_all(queued, *numbers)):
        if what == "queue":
            backlogs.append(Backlog(queue=queue, runs=count, since=since))
        else:
            counts[what] = count
    return counts, backlogs


def _capped(ids: Select[str]) -> Any:
    return select(func.count()).select_from(ids.limit(MOST_COUNTED).subquery()).scalar_subquery()


def _choose(session: Session) -> _Chosen:
    """Return the experiments of every list, with their data sets and those before on these; one statement."""
    ids: Select[Any] = select(ExperimentRow.id).where(VISIBLE).limit(MOST_SHOWN)
    # Of the few that go on all are read, not every experiment until twenty are found.
    newest = by_no_index(ExperimentRow.id).desc()
    newest_end = (ExperimentRow.finished_at.desc(), ExperimentRow.id.desc())
    wanted = {
        "running": ids.where(ExperimentRow.state.in_(OPEN)).order_by(newest),
        "latest": ids.where(
            ExperimentRow.finished_at.is_not(None), by_no_index(ExperimentRow.state) == ExperimentState.SUCCEEDED.value
        ).order_by(*newest_end),
        "attention": ids.where(ExperimentRow.id.in_(ids_that_need_a_person())).order_by(*newest_end),
    }
    tagged = union_all(
        *(select(literal(name).label("list"), limited.subquery().c.id.label("id")) for name, limited in wanted.items())
    ).subquery()
    before = aliased(ExperimentRow)
    chosen = (
        select(tagged.c.list, ExperimentRow, DatasetRow.name, DatasetRow.state, before.id, before.name, before.best_f1)
        .join(ExperimentRow, ExperimentRow.id == tagged.c.id)
        .join(DatasetRow, DatasetRow.id == ExperimentRow.dataset_id)
        .outerjoin(before, and_(tagged.c.list == "latest", before.id == _id_before()))
        .order_by(*newest_end)
    )
    found = _Chosen()
    for name, row, dataset, state, before_id, before_name, before_f1 in session.execute(chosen):
        found.lists[name].append(row.id)
        found.rows[row.id] = row
        found.datasets[row.dataset_id] = DatasetFacts(id=row.dataset_id, name=dataset, state=DatasetState(state))
        if before_id is not None and row.best_f1 is not None:
            found.previous[row.id] = Previous(id=before_id, name=before_name, difference=row.best_f1 - before_f1)
    found.lists["running"].sort(reverse=True)
    return found


def _id_before() -> Any:
    earlier = aliased(ExperimentRow)
    return (
        select(earlier.id)
        .where(
            earlier.dataset_id == ExperimentRow.dataset_id,
            earlier.id < ExperimentRow.id,
            earlier.best_f1.is_not(None),
            earlier.archived_at.is_(None),
            earlier.state == ExperimentState.SUCCEEDED.value,
        )
        .order_by(earlier.id.desc())
        .limit(1)
        .correlate(ExperimentRow)
        .scalar_subquery()
    )


def _of_queues(backlogs: Sequence[Backlog], workers: Sequence[WorkerRow]) -> list[AttentionItem]:
    found = [of_queue(one, [worker for worker in workers if one.queue in worker.queues]) for one in backlogs]
    return [item for item in found if item is not None]


def _of_datasets(session: Session) -> list[AttentionItem]:
    """Return the data sets that could not be prepared in the last days."""
    chosen = (
        select(DatasetRow, RunRow.id, RunRow.finished_at)
        .join(JobRow, and_(JobRow.dataset_id == DatasetRow.id, JobRow.cell == Cell.PREPARE.value))
        .join(RunRow, and_(RunRow.job_id == JobRow.id, RunRow.superseded_by.is_(None)))
        .where(
            DatasetRow.state == DatasetState.FAILED.value,
            DatasetRow.archived_at.is_(None),
            RunRow.finished_at >= now_s() - RECENT_S,
        )
        .order_by(DatasetRow.id.desc())
        .limit(MOST_SHOWN)
    )
    return [of_dataset(row, run_id, ended_at) for row, run_id, ended_at in session.execute(chosen)]


def _with_curves(
    session: Session, running: Sequence[ExperimentOverview]
) -> list[tuple[ExperimentOverview, Sequence[tuple[int, float]]]]:
    # What moves first; of both parts the newest one.
    running = sorted(running, key=lambda one: one.waiting is not None)
    newest = {one.experiment.id: _newest_base(one.runs) for one in running}
    curves = _dev_f1(session, [run_id for run_id in newest.values() if run_id is not None])
    return [(one, curves.get(newest[one.experiment.id] or "", ())) for one in running]


def _newest_base(runs: Sequence[CurrentRun]) -> str | None:
    """Return the run of cell 51 or 52 that started last; of one that reuses another's result that other one."""
    bases = [run.row for run in runs if run.step in BASES and run.row.started_at is not None]
    if not bases:
        return None
    last = max(bases, key=lambda run: (run.started_at or 0.0, run.id))
    return last.reused_from or last.id


def _dev_f1(session: Session, runs: Sequence[str]) -> dict[str, Sequence[tuple[int, float]]]:
    """Return epoch and F1 on `dev` of these runs, by run; a run that replaces another goes on with its curve."""
    run, earlier = aliased(RunRow), aliased(RunRow)
    chosen = (
        select(run.id, MetricRow.step, MetricRow.value)
        .join(
            earlier, and_(earlier.job_id == run.job_id, earlier.seed == run.seed, earlier.created_at <= run.created_at)
        )
        .join(MetricRow, and_(MetricRow.run_id == earlier.id, MetricRow.key == DEV_F1))
        .where(run.id.in_(runs))
        .order_by(run.id, MetricRow.step, earlier.created_at, MetricRow.attempt)
    )
    points: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for run_id, step, value in session.execute(chosen):
        points[run_id][step] = value
    # `dev` is scored once at the end of each epoch.
    return {run_id: list(enumerate(of_run.values(), start=1)) for run_id, of_run in points.items()}
