"""Delete things with all that belongs to them, in one transaction; the reconciler removes their files afterwards.

What a thing *owns* goes with it: an experiment its jobs, a job its runs, a run its curves, events and files. What
*depends* on it keeps it from being deleted, unless the request cascades: then that goes too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from cellgate.contract.api.resources import ResourceKind
from cellgate.contract.states import DatasetState, ExperimentState
from service.domain.errors import Conflict, StillUsed
from service.store.dependents import UNFINISHED, Scope, dependents_of, owned_by
from service.store.lookup import existing
from service.store.metadata import DescribedRow, check_version
from service.store.removals import queue_removals, run_folder_key
from service.store.tables import (
    AttemptRow,
    BundleRow,
    DatasetRow,
    DecisionRow,
    EventRow,
    ExperimentRow,
    JobRow,
    LabelRow,
    LogRow,
    MetricRow,
    RunRow,
    UploadRow,
)

K = ResourceKind
# In the order of locks.
TABLES: Mapping[ResourceKind, type[DescribedRow]] = {
    K.RUN: RunRow,
    K.JOB: JobRow,
    K.EXPERIMENT: ExperimentRow,
    K.DATASET: DatasetRow,
    K.BUNDLE: BundleRow,
    K.UPLOAD: UploadRow,
}
# Databases limit the parameters of one statement.
AT_ONCE = 500
SHOWN = 100


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What one deletion takes with it.

    Args:
        scope: Ids of everything, by kind.
        keys: Files and folders to remove.
        data_dir: The data folder, which uploads are read from.
        seen: Kind, id and version of the thing that the caller has seen; None: any version.
    """

    scope: Scope
    keys: list[str]
    data_dir: Path
    seen: tuple[ResourceKind, str, int] | None = None


def plan_deletion(
    session: Session,
    kind: ResourceKind,
    row_id: str,
    *,
    cascade: bool,
    data_dir: Path,
    version: int | None = None,
) -> Deletion:
    """Return what a deletion takes with it, changing nothing.

    Args:
        session: An open transaction.
        kind: Of the thing.
        row_id: Its id.
        cascade: Take what depends on it as well.
        data_dir: The data folder, which uploads are read from.
        version: The version that the caller has seen; None: any.

    Raises:
        NotFound: There is no such thing.
        PreconditionFailed: It has another version now.
        StillUsed: Something depends on it, and the request does not cascade.
        Conflict: A part of it has not ended.
    """
    table = TABLES[kind]
    found = existing(session.scalar(select(table).where(table.id == row_id)), table, row_id)
    check_version(cast(DescribedRow, found), version)
    scope = owned_by(session, {kind: {row_id}})
    while needed := dependents_of(session, scope, data_dir):
        if not cascade:
            raise _still_used(session, kind, row_id, needed)
        scope = owned_by(session, {found: scope.get(found, set()) | needed.get(found, set()) for found in K})
    _refuse_unfinished(session, scope)
    seen = None if version is None else (kind, row_id, version)
    return Deletion(scope=scope, keys=_keys(session, scope), data_dir=data_dir, seen=seen)


def merged(deletions: Iterable[Deletion], data_dir: Path) -> Deletion:
    """Return several deletions as one, so that their rows are locked in one pass."""
    found = list(deletions)
    scope = {kind: set[str]().union(*(one.scope.get(kind, set()) for one in found)) for kind in K}
    keys = dict.fromkeys(key for one in found for key in one.keys)
    return Deletion(scope=scope, keys=list(keys), data_dir=data_dir)


def delete_things(session: Session, planned: Deletion) -> None:
    """Delete what was planned, and have its files removed.

    Args:
        session: The transaction that planned it.
        planned: Of `plan_deletion`.

    Raises:
        Conflict: Something has changed since it was planned; nothing is deleted.
        PreconditionFailed: It has another version by now than the caller has seen; nothing is deleted.
    """
    scope = planned.scope
    _lock(session, planned)
    for kind, table in TABLES.items():
        if kind is K.RUN:
            _delete_parts_of_runs(session, scope.get(K.RUN, set()))
            _delete(session, BundleRow.id, scope.get(K.BUNDLE, set()))
            _take_seeds_out(session, scope)
        if kind is K.EXPERIMENT:
            for column in (LabelRow.experiment_id, DecisionRow.experiment_id, EventRow.experiment_id):
                _delete(session, column, scope.get(K.EXPERIMENT, set()))
        _delete(session, table.id, scope.get(kind, set()))
    queue_removals(session, planned.keys)


def names_of(session: Session, scope: Scope, *, limit: int = SHOWN) -> list[tuple[ResourceKind, str, str | None]]:
    """Return (kind, id, name) of the first things of a scope."""
    found: list[tuple[ResourceKind, str, str | None]] = []
    for kind in K:
        table, ids = TABLES[kind], sorted(scope.get(kind, ()))[: limit - len(found)]
        rows = session.execute(select(table.id, table.name).where(table.id.in_(ids)).order_by(table.id))
        found += [(kind, row_id, name) for row_id, name in rows]
    return found


def counts_of(scope: Scope) -> dict[ResourceKind, int]:
    """Return how many things of each kind a scope has."""
    return {kind: len(scope[kind]) for kind in K if scope.get(kind)}


def audited(scope: Scope) -> dict[str, Any]:
    """Return what an entry of the audit log says of a deletion: how many things of each kind, and the first ids."""
    ids = [row_id for kind in K for row_id in sorted(scope.get(kind, ()))]
    return {"counts": {kind.value: count for kind, count in counts_of(scope).items()}, "ids": ids[:SHOWN]}


def _still_used(session: Session, kind: ResourceKind, row_id: str, needed: Scope) -> StillUsed:
    total = sum(len(ids) for ids in needed.values())
    shown = names_of(session, needed)
    counted = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts_of(needed).items())
    return StillUsed(
        f"{counted} depend{'' if total > 1 else 's'} on {kind} {row_id}: delete that first, or all of it "
        "with ?cascade=true",
        extra={
            "dependents": [{"kind": found, "id": found_id, "name": name} for found, found_id, name in shown],
            "dependents_total": total,
        },
    )


def _refuse_unfinished(session: Session, scope: Scope) -> None:
    runs = _found(session, RunRow.id, scope.get(K.RUN, set()), RunRow.state.in_(UNFINISHED))
    opened = [state.value for state in ExperimentState if not state.terminal]
    experiments = _found(session, ExperimentRow.id, scope.get(K.EXPERIMENT, set()), ExperimentRow.state.in_(opened))
    preparing = DatasetRow.state == DatasetState.PREPARING.value
    datasets = _found(session, DatasetRow.id, scope.get(K.DATASET, set()), preparing)
    found = [*experiments, *datasets, *runs]
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise Conflict(
            f"{', '.join(found[:5])}{more} {'have' if len(found) > 1 else 'has'} not ended: cancel first, and delete "
            "once that has ended",
            extra={"unfinished": found[:SHOWN], "unfinished_total": len(found)},
        )


def _keys(session: Session, scope: Scope) -> list[str]:
    uploads: list[str] = []
    for ids in _chunks(scope.get(K.UPLOAD, set())):
        uploads += session.scalars(select(UploadRow.path).where(UploadRow.id.in_(ids)))
    return [*(run_folder_key(run_id) for run_id in sorted(scope.get(K.RUN, ()))), *uploads]


def _lock(session: Session, planned: Deletion) -> None:
    """Lock every row, FOR UPDATE: a row that would refer to one of them cannot be inserted meanwhile.

    Jobs and experiments that stay, but lose a run, are locked as for any change.
    """
    scope = planned.scope
    losing = _losing_runs(session, scope)
    for kind, table in TABLES.items():
        for ids in _chunks(losing.get(kind, set())):
            stays = select(table.id).where(table.id.in_(ids)).order_by(table.id)
            session.execute(stays.with_for_update(key_share=True))
        wanted = scope.get(kind, set())
        found: set[str] = set()
        for ids in _chunks(wanted):
            found |= set(
                session.scalars(select(table.id).where(table.id.in_(ids)).order_by(table.id).with_for_update())
            )
        if found != wanted:
            raise _changed()
    if planned.seen is not None:
        kind, row_id, version = planned.seen
        current = session.get_one(TABLES[kind], row_id, populate_existing=True)
        check_version(cast(DescribedRow, current), version)
    # A waiting or running run, or a new dependent, that came before the locks.
    if owned_by(session, scope) != scope or dependents_of(session, scope, planned.data_dir):
        raise _changed()
    _refuse_unfinished(session, scope)


def _losing_runs(session: Session, scope: Scope) -> Scope:
    """Return the jobs and experiments of deleted runs that are not deleted themselves."""
    jobs: set[str] = set()
    experiments: set[str] = set()
    for ids in _chunks(scope.get(K.RUN, set())):
        for job_id, experiment_id in session.execute(
            select(RunRow.job_id, RunRow.experiment_id).where(RunRow.id.in_(ids)).distinct()
        ):
            jobs.add(job_id)
            if experiment_id is not None:
                experiments.add(experiment_id)
    return {
        K.JOB: jobs - scope.get(K.JOB, set()),
        K.EXPERIMENT: experiments - scope.get(K.EXPERIMENT, set()),
    }


def _changed() -> Conflict:
    return Conflict("what is to be deleted changed at the same moment; look at it again, and try again")


def _take_seeds_out(session: Session, scope: Scope) -> None:
    """Take the seeds of deleted runs out of jobs that stay, and show the change to those who poll them."""
    for run_ids in _chunks(scope.get(K.RUN, set())):
        chosen = select(RunRow).where(RunRow.id.in_(run_ids), RunRow.job_id.not_in(scope.get(K.JOB, set())))
        for run in session.scalars(chosen.order_by(RunRow.id)).all():
            seeds = session.scalar(select(JobRow.seeds).where(JobRow.id == run.job_id)) or []
            left = [seed for seed in seeds if seed != run.seed] if run.superseded_by is None else seeds
            _change(session, JobRow, run.job_id, seeds=left)
            if run.experiment_id is not None and run.experiment_id not in scope.get(K.EXPERIMENT, set()):
                _change(session, ExperimentRow, run.experiment_id)


def _change(session: Session, table: type[JobRow] | type[ExperimentRow], row_id: str, **values: object) -> None:
    changed = update(table).where(table.id == row_id).values(version=table.version + 1, **values)
    session.execute(changed.execution_options(synchronize_session=False))


def _delete_parts_of_runs(session: Session, run_ids: set[str]) -> None:
    for column in (MetricRow.run_id, LogRow.run_id, EventRow.run_id, AttemptRow.run_id):
        _delete(session, column, run_ids)


def _delete(
    session: Session, column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], ids: set[str]
) -> None:
    for some in _chunks(ids):
        gone = delete(column.class_).where(column.in_(some))
        session.execute(gone.execution_options(synchronize_session=False))


def _found(session: Session, column: InstrumentedAttribute[str], ids: set[str], so: ColumnElement[bool]) -> list[str]:
    found: list[str] = []
    for some in _chunks(ids):
        chosen: Select[str] = select(column).where(column.in_(some), so).order_by(column)
        found += session.scalars(chosen)
    return found


def _chunks(ids: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(ids)
    return (ordered[at : at + AT_ONCE] for at in range(0, len(ordered), AT_ONCE))
