"""Experiments in lists: what each has reached, how far it is, and why nothing of it moves.

Every function takes as many queries for any number of experiments.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, union_all
from sqlalchemy.orm import Session, load_only

from cellgate.contract.cells import Cell
from cellgate.contract.conclusion import Conclusion
from cellgate.contract.events import EventKind
from cellgate.contract.states import DatasetState, ExperimentState, RunState, Waiting
from service.domain.progress import AT_WORK, PREPARE, PipelineFacts, RunOfStep
from service.domain.standstill import Standstill, autopilot_off, waits_for
from service.store.conclusions import conclusions_of, decided_outcomes
from service.store.experiments import labels_of
from service.store.filters import EVERYTHING, Filters, matching_experiments
from service.store.hints import by_no_index
from service.store.paging import FIRST_PAGE, Found, PageOf, find_page, rows_of
from service.store.tables import DatasetRow, EventRow, ExperimentRow, JobRow, RunRow

WaitingOf = Callable[[Session, Iterable[RunRow]], Mapping[str, Waiting]]
# What a list reads of a run; its result may be large.
FEW = (
    RunRow.job_id,
    RunRow.experiment_id,
    RunRow.cell,
    RunRow.seed,
    RunRow.state,
    RunRow.queue,
    RunRow.queued_at,
    RunRow.started_at,
    RunRow.finished_at,
    RunRow.steps_done,
    RunRow.steps_total,
    RunRow.eta_s,
    RunRow.running_s,
    RunRow.failure_reason,
    RunRow.failure_detail,
    RunRow.reused_from,
)


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a list reads of a data set."""

    id: str
    name: str
    state: DatasetState


@dataclass(frozen=True, kw_only=True)
class CurrentRun:
    """A run that counts for its seed.

    Args:
        step: Of its job; None once that was withdrawn.
        row: The run, without its result.
        learning_rate: Peak that it trained at; known of failed runs alone.
    """

    step: str | None
    row: RunRow
    learning_rate: float | None


@dataclass(frozen=True, kw_only=True)
class ExperimentOverview:
    """An experiment in a list.

    Args:
        dataset: Its data set.
        gate_verdict: pending, pass or fail.
        outcome: Of its last decision, or of the person who overruled it.
        conclusion: What came of it; None until it has ended.
        labels: By key.
        runs_done: Runs that have ended.
        facts: Its steps and runs.
        runs: Those that count, by seed.
        waiting: Why nothing moves; None while a run is at work, and once it has ended.
    """

    experiment: ExperimentRow
    dataset: DatasetFacts
    gate_verdict: str
    outcome: str | None
    conclusion: Conclusion | None
    labels: Mapping[str, str]
    runs_done: int
    runs_total: int
    facts: PipelineFacts
    runs: Sequence[CurrentRun]
    waiting: Standstill | None


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """Current runs of experiments, and those that prepare their data sets.

    Args:
        of: By experiment.
        preparing: By data set.
    """

    of: Mapping[str, Sequence[CurrentRun]]
    preparing: Mapping[str, RunRow]

    def unfinished(self) -> list[RunRow]:
        """Return the runs that wait."""
        found = [run.row for runs in self.of.values() for run in runs] + list(self.preparing.values())
        return [run for run in found if run.state in (RunState.QUEUED, RunState.PAUSED)]


def list_experiments(
    session: Session,
    page: PageOf = FIRST_PAGE,
    wanted: Filters = EVERYTHING,
    waiting_of: WaitingOf = lambda _, __: {},
) -> Found[ExperimentOverview]:
    """Return a page of the experiments that match the filters.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
        waiting_of: Returns why runs wait, by id.
    """
    rows = rows_of(session, ExperimentRow, find_page(session, matching_experiments(wanted), page))
    return Found(overviews_of(session, rows, waiting_of), after=rows.after, total=rows.total)


def overviews_of(
    session: Session,
    experiments: Sequence[ExperimentRow],
    waiting_of: WaitingOf,
    datasets: Mapping[str, DatasetFacts] | None = None,
) -> list[ExperimentOverview]:
    """Return these experiments as lists show them, in the same order.

    Args:
        session: An open transaction.
        experiments: Their rows.
        waiting_of: Returns why runs wait, by id.
        datasets: Their data sets, by id; None: they are read.
    """
    ids = [experiment.id for experiment in experiments]
    outcomes, conclusions = decided_outcomes(session, ids), conclusions_of(session, experiments)
    labels = labels_of(session, ids)
    sets = datasets if datasets is not None else _datasets(session, {row.dataset_id for row in experiments})
    runs = _load_runs(session, ids, [found.id for found in sets.values() if found.state is DatasetState.PREPARING])
    waiting = waiting_of(session, runs.unfinished())
    return [
        _overview(
            row,
            sets[row.dataset_id],
            runs,
            waiting,
            outcome=outcomes.get(row.id),
            conclusion=conclusions.get(row.id),
            labels=labels.get(row.id, {}),
        )
        for row in experiments
    ]


def _overview(
    experiment: ExperimentRow, dataset: DatasetFacts, runs: _Runs, waiting: Mapping[str, Waiting], **known: Any
) -> ExperimentOverview:
    current, preparing = runs.of.get(experiment.id, ()), runs.preparing.get(dataset.id)
    return ExperimentOverview(
        experiment=experiment,
        dataset=dataset,
        gate_verdict=(experiment.gate or {}).get("verdict", "pending"),
        runs_done=sum(RunState(run.row.state).terminal for run in current),
        runs_total=len(current),
        facts=_facts(experiment, dataset, known["outcome"], current, preparing),
        runs=current,
        waiting=_standstill(experiment, [run.row for run in current], preparing, waiting),
        **known,
    )


def _datasets(session: Session, ids: Collection[str]) -> dict[str, DatasetFacts]:
    chosen = select(DatasetRow.id, DatasetRow.name, DatasetRow.state).where(DatasetRow.id.in_(ids))
    return {
        found: DatasetFacts(id=found, name=name, state=DatasetState(state))
        for found, name, state in session.execute(chosen)
    }


def _load_runs(session: Session, experiments: Sequence[str], preparing: Sequence[str]) -> _Runs:
    # Two indexes in one statement: with OR instead, PostgreSQL would read every run.
    of_experiments = select(RunRow.id).where(RunRow.experiment_id.in_(experiments), RunRow.superseded_by.is_(None))
    of_datasets = (
        select(RunRow.id)
        .join(JobRow, RunRow.job_id == JobRow.id)
        .where(
            JobRow.dataset_id.in_(preparing),
            by_no_index(JobRow.cell) == Cell.PREPARE.value,
            RunRow.superseded_by.is_(None),
        )
    )
    chosen = (
        select(RunRow, JobRow.step, JobRow.dataset_id, _rate_of_failed())
        .join(JobRow, RunRow.job_id == JobRow.id)
        .options(load_only(*FEW, raiseload=True))
        .where(RunRow.id.in_(union_all(of_experiments, of_datasets)))
        .order_by(RunRow.seed, RunRow.id)
    )
    of: defaultdict[str, list[CurrentRun]] = defaultdict(list)
    prepares: dict[str, RunRow] = {}
    for run, step, dataset_id, rate in session.execute(chosen):
        if run.experiment_id is None:
            prepares[str(dataset_id)] = run
        else:
            of[run.experiment_id].append(CurrentRun(step=step, row=run, learning_rate=rate))
    return _Runs(of=of, preparing=prepares)


def _rate_of_failed() -> ColumnElement[float | None]:
    """Return the peak learning rate of a run that failed: the config's, else the one that the trainer has found."""
    found = (
        select(EventRow.body["learning_rate"].as_float())
        .where(EventRow.run_id == RunRow.id, EventRow.kind == EventKind.LR_FINDER.value)
        .order_by(EventRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    configured = JobRow.spec["training"]["learning_rate"]["value"].as_float()
    return case((RunRow.state == RunState.FAILED.value, func.coalesce(configured, found)))


def _facts(
    experiment: ExperimentRow,
    dataset: DatasetFacts,
    outcome: Any,
    current: Sequence[CurrentRun],
    preparing: RunRow | None,
) -> PipelineFacts:
    gate = (experiment.gate or {}).get("verdict")
    prepares = [] if preparing is None else [_run_of(PREPARE, preparing)]
    return PipelineFacts(
        state=ExperimentState(experiment.state),
        seeds=len(experiment.spec["seeds"]),
        fusion=experiment.spec["policy"]["fusion"],
        dataset=dataset.state,
        gate=None if gate == "pending" else gate,
        decided=outcome,
        runs=[*prepares, *(_run_of(run.step, run.row) for run in current if run.step is not None)],
        predicted_s=experiment.predicted or {},
    )


def _run_of(step: str, run: RunRow) -> RunOfStep:
    return RunOfStep(
        id=run.id,
        job=step,
        seed=run.seed,
        state=RunState(run.state),
        steps_done=run.steps_done,
        steps_total=run.steps_total,
        eta_s=run.eta_s,
        running_s=run.running_s,
    )


def _standstill(
    experiment: ExperimentRow, runs: Sequence[RunRow], preparing: RunRow | None, waiting: Mapping[str, Waiting]
) -> Standstill | None:
    state = ExperimentState(experiment.state)
    its = [preparing] if state is ExperimentState.WAITING and preparing is not None else list(runs)
    if state.terminal or any(run.state in AT_WORK for run in its):
        return None
    waits = [(waiting[run.id], run) for run in its if run.id in waiting]
    if waits:
        why, run = min(waits, key=lambda found: (found[0].ahead is None, found[0].ahead or 0, found[1].id))
        since = run.queued_at if run.state == RunState.QUEUED else None
        return waits_for(why, queue=run.queue, since=since, prepares=run is preparing)
    return None if experiment.autopilot or (its and state is ExperimentState.WAITING) else autopilot_off(state)
