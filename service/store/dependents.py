"""What belongs to a thing, and what depends on it: the two relations that a deletion follows."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from cellgate.contract.api.resources import ResourceKind
from cellgate.contract.cells import Cell
from cellgate.contract.states import RunState
from service.store.dataset_sources import inspections_of, reads_source
from service.store.tables import BundleRow, DatasetRow, ExperimentRow, JobRow, RunRow, UploadRow

K = ResourceKind
Scope = Mapping[ResourceKind, set[str]]
UNFINISHED = [state.value for state in RunState if not state.terminal]
AT_ONCE = 500
Relation = tuple[ResourceKind, ResourceKind, Callable[[list[str]], Select[str]]]


def owned_by(session: Session, scope: Scope) -> Scope:
    """Return the scope with everything that belongs to its things."""
    # From wholes to parts: one pass reaches everything.
    whole = {kind: set(scope.get(kind, ())) for kind in K}
    for kind, part, chosen in OWNED:
        whole[part] |= _related(session, whole[kind], chosen)
    return whole


def dependents_of(session: Session, scope: Scope, data_dir: Path) -> Scope:
    """Return what depends on the things of a scope and is not part of it; empty where nothing does.

    Args:
        session: An open transaction.
        scope: With all that belongs to its things.
        data_dir: The data folder, which uploads are read from.
    """
    found: dict[ResourceKind, set[str]] = {}
    for kind, dependent, chosen in DEPENDENT:
        needed = _related(session, scope.get(kind, set()), chosen) - scope.get(dependent, set())
        if needed:
            found.setdefault(dependent, set()).update(needed)
    for kind, readers in _readers(session, scope, data_dir).items():
        if left := readers - scope.get(kind, set()):
            found.setdefault(kind, set()).update(left)
    if jobs := _short_of_runs(session, scope):
        found.setdefault(K.JOB, set()).update(jobs)
    return found


def ended_scorings(session: Session, scope: Scope) -> set[str]:
    """Return the predictions that have ended on data sets of a scope, with their runs; they go, whoever made them."""
    jobs = _related(session, scope.get(K.DATASET, set()), _ended_scorings)
    return jobs | _related(session, jobs, _runs_of_jobs)


def _related(session: Session, ids: set[str], chosen: Callable[[list[str]], Select[str]]) -> set[str]:
    return {found for some in _chunks(ids) for found in session.scalars(chosen(some))}


def _jobs_of_experiments(ids: list[str]) -> Select[str]:
    return select(JobRow.id).where(JobRow.experiment_id.in_(ids))


def _preparations(ids: list[str]) -> Select[str]:
    return select(JobRow.id).where(JobRow.dataset_id.in_(ids), JobRow.cell == Cell.PREPARE.value)


def _ended_scorings(ids: list[str]) -> Select[str]:
    """Return the jobs that have scored with bundles of these data sets: they need nothing any more."""
    alone = JobRow.experiment_id.is_(None) & (JobRow.cell == Cell.SCORE.value)
    unfinished = select(RunRow.id).where(RunRow.job_id == JobRow.id, RunRow.state.in_(UNFINISHED)).exists()
    return select(JobRow.id).where(JobRow.dataset_id.in_(ids), alone, ~unfinished)


def _packings(ids: list[str]) -> Select[str]:
    return select(BundleRow.job_id).where(BundleRow.id.in_(ids))


def _runs_of_jobs(ids: list[str]) -> Select[str]:
    return select(RunRow.id).where(RunRow.job_id.in_(ids))


def _earlier_runs(ids: list[str]) -> Select[str]:
    """Return the runs that runs of jobs on their own replaced: without their successor they are nothing."""
    earlier = aliased(RunRow)
    of_the_seed = (earlier.job_id == RunRow.job_id) & (earlier.seed == RunRow.seed) & earlier.superseded_by.is_not(None)
    return select(earlier.id).join(RunRow, of_the_seed).where(RunRow.id.in_(ids), RunRow.superseded_by.is_(None))


def _bundles_of_experiments(ids: list[str]) -> Select[str]:
    return select(BundleRow.id).where(BundleRow.experiment_id.in_(ids))


def _bundles_of_jobs(ids: list[str]) -> Select[str]:
    return select(BundleRow.id).where(BundleRow.job_id.in_(ids))


def _bundles_on_datasets(ids: list[str]) -> Select[str]:
    return select(BundleRow.id).join(JobRow, BundleRow.job_id == JobRow.id).where(JobRow.dataset_id.in_(ids))


def _experiments_on_datasets(ids: list[str]) -> Select[str]:
    return select(ExperimentRow.id).where(ExperimentRow.dataset_id.in_(ids))


def _jobs_on_datasets(ids: list[str]) -> Select[str]:
    # Jobs of experiments and of bundles go with these.
    alone = JobRow.experiment_id.is_(None) & JobRow.cell.not_in([Cell.PREPARE.value, Cell.PACK.value])
    return select(JobRow.id).where(JobRow.dataset_id.in_(ids), alone)


def _experiments_of_steps(ids: list[str]) -> Select[str]:
    # A withdrawn job has no step any more: nothing rests on it.
    return select(JobRow.experiment_id).where(
        JobRow.id.in_(ids), JobRow.step.is_not(None), JobRow.experiment_id.is_not(None)
    )  # type: ignore[return-value]  # not null, as the condition says


def _prepared_datasets(ids: list[str]) -> Select[str]:
    # Every job but an inspection has one.
    return select(JobRow.dataset_id).where(JobRow.id.in_(ids), JobRow.cell == Cell.PREPARE.value)  # type: ignore[return-value]


def _scorings(ids: list[str]) -> Select[str]:
    """Return the jobs that still score with a bundle, or judge it; one that has ended has its result."""
    unfinished = select(RunRow.id).where(RunRow.job_id == JobRow.id, RunRow.state.in_(UNFINISHED)).exists()
    return select(JobRow.id).where(
        JobRow.cell.in_([Cell.SCORE.value, Cell.EVALUATE.value]), JobRow.spec["bundle"].as_string().in_(ids), unfinished
    )


def _unfinished_successors(ids: list[str]) -> Select[str]:
    """Return the runs that go on from a checkpoint of the replaced ones among these."""
    current = aliased(RunRow)
    of_the_seed = (current.job_id == RunRow.job_id) & (current.seed == RunRow.seed) & current.superseded_by.is_(None)
    return (
        select(current.id)
        .join(RunRow, of_the_seed)
        .where(RunRow.id.in_(ids), RunRow.superseded_by.is_not(None), current.state.in_(UNFINISHED))
    )


def _reusing_runs(ids: list[str]) -> Select[str]:
    """Return the runs whose result and files are those of these."""
    return select(RunRow.id).where(RunRow.reused_from.in_(ids))


def _extensions(ids: list[str]) -> Select[str]:
    return select(ExperimentRow.id).where(ExperimentRow.extends.in_(ids))


# From each kind to what belongs to it, wholes before their parts.
OWNED: tuple[Relation, ...] = (
    (K.EXPERIMENT, K.JOB, _jobs_of_experiments),
    (K.DATASET, K.JOB, _preparations),
    (K.DATASET, K.JOB, _ended_scorings),
    (K.BUNDLE, K.JOB, _packings),
    (K.JOB, K.RUN, _runs_of_jobs),
    (K.RUN, K.RUN, _earlier_runs),
)
# From each kind to what depends on it.
DEPENDENT: tuple[Relation, ...] = (
    (K.DATASET, K.EXPERIMENT, _experiments_on_datasets),
    (K.DATASET, K.JOB, _jobs_on_datasets),
    (K.DATASET, K.BUNDLE, _bundles_on_datasets),
    (K.EXPERIMENT, K.BUNDLE, _bundles_of_experiments),
    (K.JOB, K.BUNDLE, _bundles_of_jobs),
    (K.JOB, K.EXPERIMENT, _experiments_of_steps),
    (K.JOB, K.DATASET, _prepared_datasets),
    (K.BUNDLE, K.JOB, _scorings),
    (K.RUN, K.RUN, _unfinished_successors),
    (K.RUN, K.RUN, _reusing_runs),
    (K.EXPERIMENT, K.EXPERIMENT, _extensions),
)


def _readers(session: Session, scope: Scope, data_dir: Path) -> dict[ResourceKind, set[str]]:
    """Return the data sets, and the jobs of inspections, that may still read an upload."""
    readers: dict[ResourceKind, set[str]] = {K.DATASET: set(), K.JOB: set()}
    for some in _chunks(scope.get(K.UPLOAD, set())):
        for key in session.scalars(select(UploadRow.path).where(UploadRow.id.in_(some))):
            path = str(data_dir.resolve() / key)
            readers[K.DATASET] |= set(session.scalars(select(DatasetRow.id).where(reads_source(path))))
            readers[K.JOB] |= inspections_of(session, path)
    return readers


def _short_of_runs(session: Session, scope: Scope) -> set[str]:
    """Return jobs, not of the scope, whose current runs it has: those of a pipeline, and those that lose their last."""
    short: set[str] = set()
    runs, jobs = scope.get(K.RUN, set()), scope.get(K.JOB, set())
    for some in _chunks(runs):
        chosen = select(RunRow.job_id, JobRow.step, JobRow.cell).join(JobRow, RunRow.job_id == JobRow.id)
        for job_id, step, cell in session.execute(chosen.where(RunRow.id.in_(some), RunRow.superseded_by.is_(None))):
            if job_id in jobs:
                continue
            current = select(RunRow.id).where(RunRow.job_id == job_id, RunRow.superseded_by.is_(None))
            if step is not None or cell == Cell.PREPARE.value or not set(session.scalars(current)) - runs:
                short.add(job_id)
    return short


def _chunks(ids: set[str]) -> Iterator[list[str]]:
    # Databases limit the parameters of one statement.
    ordered = sorted(ids)
    return (ordered[at : at + AT_ONCE] for at in range(0, len(ordered), AT_ONCE))
