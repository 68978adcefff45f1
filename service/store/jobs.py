"""Jobs: one cell with one config, one run per seed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import RunLimits
from cellgate.contract.states import DatasetState, RunState
from service.domain.errors import Conflict, InvalidSpec, Mistake
from service.domain.principals import NOBODY, Owner
from service.store.database import now_s
from service.store.filters import EVERYTHING, Filters, matching_jobs
from service.store.lookup import get_row, new_id
from service.store.paging import FIRST_PAGE, Found, PageOf, find_page, rows_of
from service.store.run_actions import cancel_runs, pause_runs, refuse_where_paused, resume_runs
from service.store.tables import WITHOUT_RESULT, DatasetRow, JobRow, ListedRun, RunRow, table_of

DEFAULT_LIMITS = RunLimits()
# Kept: to build a statement takes longer than to execute it.
_INSERT_JOB = insert(table_of(JobRow)).values(created_at=now_s()).returning(table_of(JobRow).c.created_at)
_INSERT_RUNS = insert(table_of(RunRow))
_CURRENT_RUNS = (
    select(*WITHOUT_RESULT)
    .where(RunRow.job_id.in_(bindparam("job_ids", expanding=True)), RunRow.superseded_by.is_(None))
    .order_by(RunRow.seed)
)
# Locked against deletion until the job that refers to it is there.
_NAMED_DATASET = (
    select(DatasetRow).where(DatasetRow.id == bindparam("dataset_id")).with_for_update(read=True, key_share=True)
)


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job as it was created.

    Args:
        row: The job.
        runs: Its runs, in the order of their seeds.
    """

    row: JobRow
    runs: Sequence[RunRow]

    @property
    def id(self) -> str:
        """Id of the job."""
        return self.row.id


def create_job(
    session: Session,
    *,
    cell: Cell,
    dataset_id: str | None,
    config: dict[str, Any],
    seeds: Sequence[int],
    experiment_id: str | None = None,
    step: str | None = None,
    limits: RunLimits = DEFAULT_LIMITS,
    owner: Owner = NOBODY,
    fresh: bool = False,
    paused: bool = False,
) -> NewJob:
    """Create a job and its runs, which are queued.

    Args:
        session: An open transaction.
        cell: Kind of work.
        dataset_id: The data set to work on; None for an inspection, which has none.
        config: The cell's config model as JSON values.
        seeds: One run each.
        experiment_id: The experiment that the job belongs to; None for a job of its own.
        step: Its step in the experiment; each step exists once.
        limits: Priority, queue and time limits of its runs.
        owner: Whom it belongs to.
        fresh: Train every run, also where an equal one has finished.
        paused: Let the runs wait to be resumed, as those of a paused experiment do.

    Raises:
        InvalidSpec: There is no such data set.
        Conflict: The data set is not ready.
    """
    if dataset_id is not None and cell is not Cell.PREPARE:
        ready_dataset(session, dataset_id, to_train=cell is not Cell.EVALUATE)
    values = {
        "id": new_id("job"),
        "experiment_id": experiment_id,
        "dataset_id": dataset_id,
        "step": step,
        "cell": cell.value,
        "spec": config,
        "seeds": list(seeds),
        "priority": limits.priority,
        "queue": limits.queue,
        "queue_timeout_s": limits.queue_timeout_s,
        "timeout_s": limits.timeout_s,
        "owner": owner.name,
        "owner_id": owner.id,
        "version": 1,
    }
    job = JobRow(**values, created_at=session.execute(_INSERT_JOB, values).scalar_one())
    runs = [new_run(job, seed, queued_at=job.created_at, fresh=fresh, paused=paused) for seed in seeds]
    session.execute(_INSERT_RUNS, runs)
    return NewJob(row=job, runs=sorted((RunRow(**run) for run in runs), key=lambda run: run.seed))


def get_job(session: Session, job_id: str) -> JobRow:
    """Return a job.

    Raises:
        NotFound: There is no such job.
    """
    return get_row(session, JobRow, job_id)


def list_jobs(session: Session, page: PageOf = FIRST_PAGE, wanted: Filters = EVERYTHING) -> Found[JobRow]:
    """Return a page of the jobs that match the filters.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
    """
    return rows_of(session, JobRow, find_page(session, matching_jobs(wanted), page))


def jobs_of_experiment(session: Session, experiment_id: str) -> Sequence[JobRow]:
    """Return an experiment's jobs in the order in which they were created."""
    chosen = select(JobRow).where(JobRow.experiment_id == experiment_id)
    return session.scalars(chosen.order_by(JobRow.created_at, JobRow.step, JobRow.id)).all()


def runs_of_jobs(session: Session, job_ids: Iterable[str]) -> dict[str, list[ListedRun]]:
    """Return each job's current runs without their results, one per seed in the order of seeds, with one query."""
    runs: dict[str, list[ListedRun]] = defaultdict(list)
    for run in session.execute(_CURRENT_RUNS, {"job_ids": list(job_ids)}):
        runs[run.job_id].append(run)
    return dict(runs)


def cancel_job(session: Session, job_id: str) -> None:
    """Cancel the runs of a job that have not ended.

    Raises:
        NotFound: There is no such job.
        Conflict: All of its runs have ended.
    """
    get_job(session, job_id)
    runs = runs_of_jobs(session, [job_id])[job_id]
    if all(RunState(run.state).terminal for run in runs):
        raise Conflict(f"every run of job {job_id} has ended; only what has not ended can be cancelled")
    cancel_runs(session, select(RunRow).where(RunRow.job_id == job_id))


def pause_job(session: Session, job_id: str) -> None:
    """Pause the runs of a job that wait or run.

    Raises:
        NotFound: There is no such job.
        Conflict: None of its runs waits or runs.
    """
    get_job(session, job_id)
    if not pause_runs(session, select(RunRow).where(RunRow.job_id == job_id)):
        raise Conflict(f"no run of job {job_id} waits or runs; there is nothing to pause")


def resume_job(session: Session, job_id: str) -> None:
    """Put the paused runs of a job back into the queue.

    Raises:
        NotFound: There is no such job.
        Conflict: None of its runs is paused, or its experiment is paused as a whole.
    """
    refuse_where_paused(session, get_job(session, job_id).experiment_id)
    if not resume_runs(session, select(RunRow).where(RunRow.job_id == job_id)):
        raise Conflict(f"no run of job {job_id} is paused; there is nothing to resume")


def new_run(job: JobRow, seed: int, *, queued_at: float, fresh: bool, paused: bool = False) -> dict[str, Any]:
    """Return the row of a new run of the job, which is queued.

    Args:
        job: Its row.
        seed: 0 to 2**31 - 1.
        queued_at: Seconds since the epoch by the database's clock.
        fresh: Whether it must not reuse the result of an equal run.
        paused: Whether it is paused instead.
    """
    return {
        "id": new_id("run"),
        "job_id": job.id,
        "experiment_id": job.experiment_id,
        "cell": job.cell,
        "seed": seed,
        "state": RunState.PAUSED.value if paused else RunState.QUEUED.value,
        "priority": job.priority,
        "queue": job.queue,
        "attempt": 0,
        "recoveries": 0,
        "fresh": fresh,
        "owner": job.owner,
        "owner_id": job.owner_id,
        "created_at": queued_at,
        "queued_at": queued_at,
        "version": 1,
    }


def ready_dataset(session: Session, dataset_id: str, *, to_train: bool = True) -> DatasetRow:
    """Return a data set that can be trained on.

    Args:
        session: An open transaction.
        dataset_id: The data set.
        to_train: Whether one that is for evaluation only is refused.

    Raises:
        InvalidSpec: There is no such data set, or it is for evaluation only.
        Conflict: It is not ready.
    """
    dataset = _named_dataset(session, dataset_id)
    if to_train:
        refuse_evaluation_only(dataset)
    if dataset.state == DatasetState.READY:
        return dataset
    if dataset.state == DatasetState.PREPARING:
        raise Conflict(f"data set {dataset_id} is still being prepared; try again once its state is ready")
    raise Conflict(f"data set {dataset_id} could not be prepared: {dataset.failure_detail}")


def refuse_evaluation_only(dataset: DatasetRow) -> None:
    """Refuse to train on a data set that was made without splits for it.

    Raises:
        InvalidSpec: It is for evaluation only.
    """
    splits = dataset.spec.get("evaluation")
    if splits is not None:
        detail = (
            f"data set {dataset.id} ({dataset.name}) is for evaluation only: all of its functions are in {splits}; "
            "name a data set with splits to train on, or prepare the file without `evaluation`"
        )
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/dataset", detail=detail)])


def _named_dataset(session: Session, dataset_id: str) -> DatasetRow:
    dataset = session.scalar(_NAMED_DATASET, {"dataset_id": dataset_id})
    if dataset is None:
        raise no_dataset(dataset_id)
    return dataset


def no_dataset(dataset_id: str) -> InvalidSpec:
    """Return the refusal of a spec that names a data set which is not there."""
    detail = f"there is no data set {dataset_id}; GET /v1/datasets lists those there are"
    return InvalidSpec(detail, mistakes=[Mistake(pointer="/dataset", detail=detail)])
