"""Jobs: one cell with one config, one run per seed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.domain.errors import Conflict, InvalidSpec, Mistake, NotFound
from service.domain.states import DatasetState, RunState
from service.store.database import now_s
from service.store.identifiers import new_id
from service.store.lifecycle import cancel_runs
from service.store.tables import DatasetRow, JobRow, RunRow
from trainers.specs import Cell


def create_job(
    session: Session,
    *,
    cell: Cell,
    dataset_id: str,
    config: dict[str, Any],
    seeds: Sequence[int],
    experiment_id: str | None = None,
    step: str | None = None,
    priority: int = 0,
    queue: str = "cpu",
) -> JobRow:
    """Create a job and its runs, queued.

    Args:
        config: The cell's config model as JSON values.
        step: Its place in its experiment; each exists once.
        priority: Higher runs first.

    Raises:
        InvalidSpec: There is no such data set.
        Conflict: The data set is not ready.
    """
    _check_dataset(session, dataset_id, cell)
    values = {
        "id": new_id("job"),
        "experiment_id": experiment_id,
        "dataset_id": dataset_id,
        "step": step,
        "cell": cell.value,
        "spec": config,
        "seeds": list(seeds),
        "priority": priority,
        "queue": queue,
        "created_at": now_s(),
        "version": 1,
    }
    job = session.scalars(insert(JobRow).values(values).returning(JobRow)).one()
    runs = [_run_of(job, seed) for seed in seeds]
    session.execute(insert(RunRow), runs)
    return job


def get_job(session: Session, job_id: str) -> JobRow:
    """Return a job.

    Raises:
        NotFound: There is no such job.
    """
    job = session.scalar(select(JobRow).where(JobRow.id == job_id))
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def list_jobs(
    session: Session, *, limit: int = 50, after: str | None = None, experiment_id: str | None = None
) -> Sequence[JobRow]:
    """Return a page of jobs, newest first.

    Args:
        limit: At most so many.
        after: The last id of the page before.
        experiment_id: Only this experiment's.
    """
    chosen = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if after is not None:
        chosen = chosen.where(JobRow.id < after)
    if experiment_id is not None:
        chosen = chosen.where(JobRow.experiment_id == experiment_id)
    return session.scalars(chosen).all()


def jobs_of_experiment(session: Session, experiment_id: str) -> Sequence[JobRow]:
    """Return an experiment's jobs in the order in which they were created."""
    chosen = select(JobRow).where(JobRow.experiment_id == experiment_id)
    return session.scalars(chosen.order_by(JobRow.created_at, JobRow.step, JobRow.id)).all()


def runs_of_jobs(session: Session, job_ids: Iterable[str]) -> dict[str, list[RunRow]]:
    """Return each job's runs in the order of their seeds, with one query."""
    runs: dict[str, list[RunRow]] = defaultdict(list)
    for run in session.scalars(select(RunRow).where(RunRow.job_id.in_(list(job_ids))).order_by(RunRow.seed)):
        runs[run.job_id].append(run)
    return dict(runs)


def cancel_job(session: Session, job_id: str) -> None:
    """Cancel those runs of a job that have not ended.

    Raises:
        NotFound: There is no such job.
        Conflict: All of its runs have ended.
    """
    get_job(session, job_id)
    runs = runs_of_jobs(session, [job_id])[job_id]
    if all(RunState(run.state).terminal for run in runs):
        raise Conflict(f"every run of job {job_id} has ended; only what has not ended can be cancelled")
    cancel_runs(session, select(RunRow).where(RunRow.job_id == job_id))


def _run_of(job: JobRow, seed: int) -> dict[str, Any]:
    return {
        "id": new_id("run"),
        "job_id": job.id,
        "experiment_id": job.experiment_id,
        "cell": job.cell,
        "seed": seed,
        "state": RunState.QUEUED.value,
        "priority": job.priority,
        "queue": job.queue,
        "attempt": 0,
        "recoveries": 0,
        "created_at": job.created_at,
        "version": 1,
    }


def _check_dataset(session: Session, dataset_id: str, cell: Cell) -> None:
    dataset = session.scalar(select(DatasetRow).where(DatasetRow.id == dataset_id))
    if dataset is None:
        detail = f"there is no data set {dataset_id}; GET /v1/datasets lists those there are"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/dataset", detail=detail)])
    if cell is Cell.PREPARE or dataset.state == DatasetState.READY:
        return
    if dataset.state == DatasetState.PREPARING:
        raise Conflict(f"data set {dataset_id} is still being prepared; try again once its state is ready")
    raise Conflict(f"data set {dataset_id} could not be prepared: {dataset.failure_detail}")
