"""What needs a person: queues that nobody serves, data sets that failed, and experiments that somebody has to look at.

What has ended asks for attention for seven days, unless it is archived. It drops out as soon as it is dealt with: tried
again, waived, overruled, or repeated with more seeds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, or_, select, union_all
from sqlalchemy.orm import aliased

from cellgate.contract.api.overview import AttentionKind
from cellgate.contract.api.tokens import Scope
from cellgate.contract.conclusion import Outcome
from cellgate.contract.states import DatasetState, ExperimentState, FailureReason, RunState
from service.domain.attention import ORDER, Action, AttentionFacts, FailedRun, attention_of, brief
from service.domain.conclusion import SEED_CHECKS
from service.domain.pipeline import BASES
from service.store.database import now_s
from service.store.hints import by_no_index
from service.store.summaries import CurrentRun, ExperimentOverview
from service.store.tables import DatasetRow, ExperimentRow, JobRow, RunRow, WorkerRow

RECENT_S = 7 * 86_400.0
OPEN = [state.value for state in ExperimentState if not state.terminal]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that deals with it, on a machine of the deployment."""

    command: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Runs that wait in one queue.

    Args:
        since: When the one that waits longest was queued, in seconds since the epoch.
    """

    queue: str
    runs: int
    since: float


@dataclass(frozen=True, kw_only=True)
class AttentionItem:
    """One thing that goes on only when a person acts.

    Args:
        name: Of the experiment or the data set.
        since: Seconds since the epoch; None: not known.
    """

    kind: AttentionKind
    sentence: str
    action: Action | Command
    experiment: str | None = None
    run: str | None = None
    dataset: str | None = None
    queue: str | None = None
    name: str | None = None
    owner_id: str | None = None
    since: float | None = None


def ids_that_need_a_person() -> Select[str]:
    """Return the selection of the ids of experiments that somebody has to look at; archived ones are left out."""
    # Two selections, each with an index of its own: joined by OR they would read every experiment.
    both = union_all(_ended_lately(), _open_with_a_failed_run()).subquery()
    return select(both.c.id)


def _ended_lately() -> Select[str]:
    repeated = aliased(ExperimentRow)
    gate_failed = and_(
        ExperimentRow.outcome == Outcome.IMPROVE.value,
        ExperimentRow.gate["verdict"].as_string() == "fail",
        ExperimentRow.conclusion["overruled_by"].as_string().is_(None),
    )
    needed = (Outcome.FAILED.value, Outcome.BROKEN.value, Outcome.BORDERLINE.value)
    return select(ExperimentRow.id).where(
        ExperimentRow.archived_at.is_(None),
        ExperimentRow.finished_at >= now_s() - RECENT_S,
        by_no_index(ExperimentRow.state).in_((ExperimentState.SUCCEEDED.value, ExperimentState.FAILED.value)),
        or_(ExperimentRow.outcome.in_(needed), gate_failed),
        ~select(repeated.id).where(repeated.extends == ExperimentRow.id).exists(),
    )


def _open_with_a_failed_run() -> Select[str]:
    failed_run = (
        select(RunRow.id)
        .join(JobRow, RunRow.job_id == JobRow.id)
        .where(
            RunRow.experiment_id == ExperimentRow.id,
            RunRow.superseded_by.is_(None),
            by_no_index(RunRow.state) == RunState.FAILED.value,
            JobRow.step.is_not(None),
        )
    )
    goes_on = ExperimentRow.state.in_(OPEN)
    return select(ExperimentRow.id).where(ExperimentRow.archived_at.is_(None), goes_on, failed_run.exists())


def of_experiment(found: ExperimentOverview) -> AttentionItem | None:
    """Return what of an experiment needs a person; None where it is its data set, or nothing after all."""
    row = found.experiment
    if found.dataset.state is DatasetState.FAILED:
        return None
    failed = _failed(found)
    gate = row.gate if (row.gate or {}).get("verdict") == "fail" and row.outcome == Outcome.IMPROVE else None
    facts = AttentionFacts(
        id=row.id,
        failure_detail=row.failure_detail,
        failed=[_failed_run(run) for run in failed],
        runs=found.runs_total,
        gate=gate,
        borderline=row.outcome == Outcome.BORDERLINE,
        best=row.best,
        seeds=row.spec["seeds"],
    )
    needed = attention_of(facts)
    if needed is None:
        return None
    ends = [run.row.finished_at for run in failed if run.row.finished_at is not None]
    return AttentionItem(
        kind=needed.kind,
        sentence=needed.sentence,
        action=needed.action,
        experiment=row.id,
        run=needed.run,
        name=row.name,
        owner_id=row.owner_id,
        since=min(ends) if ends else row.finished_at,
    )


def of_dataset(row: DatasetRow, run_id: str, ended_at: float | None) -> AttentionItem:
    """Return what a data set needs that could not be prepared."""
    action = Action(name="retry_run", label="Prepare it again", path=f"/v1/runs/{run_id}/retry")
    return AttentionItem(
        kind="dataset_failed",
        sentence=f"The data set could not be prepared: {brief(row.failure_detail or '')}.",
        action=action,
        run=run_id,
        dataset=row.id,
        name=row.name,
        owner_id=row.owner_id,
        since=ended_at,
    )


def of_queue(backlog: Backlog, workers: Sequence[WorkerRow]) -> AttentionItem | None:
    """Return what a queue needs in which runs wait; None where a worker takes them.

    Args:
        backlog: Of the queue.
        workers: The living ones that serve it, by id.
    """
    if any(not worker.draining for worker in workers):
        return None
    waits = f"{backlog.runs} run{'s wait' if backlog.runs != 1 else ' waits'} in queue {backlog.queue}"
    if workers:
        first = workers[0]
        return AttentionItem(
            kind="draining",
            sentence=f"{waits}, and every worker that serves it drains.",
            action=Action(
                name="resume_worker",
                label=f"Let {first.id} take runs again",
                path=f"/v1/workers/{first.id}/resume",
                scope=Scope.ADMIN,
            ),
            queue=backlog.queue,
            since=backlog.since,
        )
    start = f"CELLGATE_QUEUES='{json.dumps([backlog.queue])}' cellgate run-worker"
    return AttentionItem(
        kind="no_worker",
        sentence=f"{waits}, and no worker serves it.",
        action=Command(command=start, label="Start a worker"),
        queue=backlog.queue,
        since=backlog.since,
    )


def sorted_by_need(items: Sequence[AttentionItem]) -> list[AttentionItem]:
    """Return the items with what stands still for all first, and of each kind the newest first."""
    return sorted(items, key=lambda item: (ORDER.index(item.kind), -(item.since or 0.0)))


def _failed(found: ExperimentOverview) -> list[CurrentRun]:
    """Return the failed runs that nobody has dealt with."""
    row = found.experiment
    if row.state not in OPEN and row.outcome not in (Outcome.FAILED, Outcome.BROKEN):
        return []
    waived = {check["name"] for check in (row.gate or {}).get("checks", []) if check["verdict"] == "waived"}
    goes_on = BASES if SEED_CHECKS.intersection(waived) else ()
    failed = [run for run in found.runs if run.row.state == RunState.FAILED]
    return [run for run in failed if run.step is not None and run.step not in goes_on]


def _failed_run(run: CurrentRun) -> FailedRun:
    row = run.row
    return FailedRun(
        id=row.id,
        job=row.job_id,
        cell=row.cell,
        seed=row.seed,
        reason=FailureReason(row.failure_reason or FailureReason.INTERNAL_ERROR),
        detail=row.failure_detail or "",
        learning_rate=run.learning_rate,
    )
