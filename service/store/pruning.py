"""Prune: delete old things on which nothing depends, a part at a time."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased

from cellgate.contract.api.resources import ResourceKind
from cellgate.contract.cells import Cell
from cellgate.contract.states import DatasetState, ExperimentState, RunState
from service.domain.errors import Conflict
from service.store.deletion import Deletion, delete_things, merged, plan_deletion
from service.store.dependents import UNFINISHED
from service.store.retention import attempts_with_spare_checkpoints, checkpoint_key, remove_checkpoints
from service.store.tables import (
    AttemptRow,
    BundleRow,
    DatasetRow,
    DecisionRow,
    ExperimentRow,
    JobRow,
    RunRow,
    UploadRow,
)

K = ResourceKind
# Things of each kind in one transaction.
PART = 50


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What one part prunes.

    Args:
        deletion: Things that go.
        attempts: Attempts whose checkpoints go.
        more: Whether there may be another part after this one.
    """

    deletion: Deletion
    attempts: list[AttemptRow]
    more: bool

    @property
    def keys(self) -> list[str]:
        """Files and folders that go."""
        return [*self.deletion.keys, *(checkpoint_key(attempt) for attempt in self.attempts)]


def plan_pruning(
    session: Session, *, before_s: float, keep_decisions: bool, data_dir: Path, part: int = PART
) -> Pruning:
    """Return the next part of what is older than a time and what nothing depends on, changing nothing.

    Args:
        session: An open transaction.
        before_s: Seconds since the epoch; what ended, or was made, before.
        keep_decisions: Keep experiments that have a decision.
        data_dir: The data folder.
        part: Things of each kind at most.
    """
    planned: list[Deletion] = []
    for kind, chosen in _candidates(before_s, keep_decisions=keep_decisions):
        planned += _first_free(session, kind, chosen, data_dir, part)
    deletion = merged(planned, data_dir)
    gone = deletion.scope.get(K.RUN, set())
    spare = attempts_with_spare_checkpoints(session, before_s=before_s, retriable=True, limit=part + len(gone))
    attempts = [attempt for attempt in spare if attempt.run_id not in gone]
    return Pruning(deletion=deletion, attempts=attempts, more=bool(planned or attempts))


def _first_free(session: Session, kind: ResourceKind, chosen: Select[str], data_dir: Path, part: int) -> list[Deletion]:
    """Return the deletions of the first things on which nothing depends; those that something needs stop no others."""
    free: list[Deletion] = []
    for row_id in session.scalars(chosen).all():
        if len(free) == part:
            break
        with suppress(Conflict):
            free.append(plan_deletion(session, kind, row_id, cascade=False, data_dir=data_dir))
    return free


def prune(session: Session, pruning: Pruning) -> None:
    """Carry out one part.

    Raises:
        Conflict: Something has changed since it was planned; nothing is pruned.
    """
    delete_things(session, pruning.deletion)
    remove_checkpoints(session, pruning.attempts)


def _candidates(before_s: float, *, keep_decisions: bool) -> Iterator[tuple[ResourceKind, Select[str]]]:
    yield K.EXPERIMENT, _experiments(before_s, keep_decisions=keep_decisions)
    yield K.JOB, _jobs(before_s)
    yield K.RUN, _replaced_runs(before_s)
    yield K.DATASET, _datasets(before_s)
    yield K.UPLOAD, select(UploadRow.id).where(UploadRow.created_at <= before_s).order_by(UploadRow.id)


def _experiments(before_s: float, *, keep_decisions: bool) -> Select[str]:
    ended = [state.value for state in ExperimentState if state.terminal]
    chosen = select(ExperimentRow.id).where(
        ExperimentRow.state.in_(ended),
        ExperimentRow.finished_at <= before_s,
        ~exists().where(BundleRow.experiment_id == ExperimentRow.id),
        ~exists().where(RunRow.experiment_id == ExperimentRow.id, RunRow.state.in_(UNFINISHED)),
    )
    if keep_decisions:
        chosen = chosen.where(~exists().where(DecisionRow.experiment_id == ExperimentRow.id))
    return chosen.order_by(ExperimentRow.id)


def _jobs(before_s: float) -> Select[str]:
    """Return jobs that belong to nothing: alone on a data set, or withdrawn from an experiment."""
    late = RunRow.state.in_(UNFINISHED) | (RunRow.finished_at > before_s)
    return (
        select(JobRow.id)
        .where(
            JobRow.step.is_(None),
            JobRow.cell.not_in([Cell.PREPARE.value, Cell.PACK.value]),
            JobRow.created_at <= before_s,
            ~exists().where(RunRow.job_id == JobRow.id, late),
        )
        .order_by(JobRow.id)
    )


def _replaced_runs(before_s: float) -> Select[str]:
    current = aliased(RunRow)
    waits = (
        (current.job_id == RunRow.job_id)
        & (current.seed == RunRow.seed)
        & current.superseded_by.is_(None)
        & (current.state != RunState.SUCCEEDED.value)
    )
    return (
        select(RunRow.id)
        .where(RunRow.superseded_by.is_not(None), RunRow.finished_at <= before_s, ~exists().where(waits))
        .order_by(RunRow.id)
    )


def _datasets(before_s: float) -> Select[str]:
    """Return data sets on which nothing is left."""
    return (
        select(DatasetRow.id)
        .where(
            DatasetRow.created_at <= before_s,
            DatasetRow.state != DatasetState.PREPARING.value,
            ~exists().where(ExperimentRow.dataset_id == DatasetRow.id),
            ~exists().where(JobRow.dataset_id == DatasetRow.id, JobRow.cell != Cell.PREPARE.value),
        )
        .order_by(DatasetRow.id)
    )
