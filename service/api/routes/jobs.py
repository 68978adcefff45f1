"""Jobs: one cell, alone on a data set or as a step of an experiment."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Annotated

from fastapi import Body
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.jobs import DatasetJob, JobAnswer, JobCreate, JobRetry, SingleJob
from cellgate.contract.api.resources import Archived, DeletionAnswer, MetadataChange, ResourceKind
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import Cell
from cellgate.contract.experiment import RunLimits
from service.api import shortcuts
from service.api.changes import CHANGING, DELETING, Changing, Deleting
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.examples import JOBS
from service.api.idempotency import Created, Post, Posted
from service.api.model_check import check_checkpoints
from service.api.parameters import (
    ArchivedItems,
    Cells,
    CreatedBefore,
    CreatedSince,
    JobOutcomes,
    JobPath,
    JobStates,
    Labels,
    OfDataset,
    OfExperiment,
    seconds,
    wanted_archived,
    wanted_labels,
)
from service.api.polling import PolledIdle, fingerprint
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.sorted_pages import OwnedBy, PagedByName, Search
from service.api.views import job_answer
from service.domain.errors import InvalidSpec, Mistake, NotFound
from service.domain.principals import Owner
from service.domain.rights import check_may_change, check_priority
from service.store.experiments import create_experiment_job, get_experiment
from service.store.filters import Filters
from service.store.jobs import (
    NewJob,
    cancel_job,
    create_job,
    get_job,
    list_jobs,
    pause_job,
    resume_job,
    runs_of_jobs,
)
from service.store.pipeline import after_run
from service.store.retries import retry_job, retry_job_at
from service.store.tables import ExperimentRow, JobRow, ListedRun
from service.store.versions import load_poll_state

router = ScopedRouter(prefix="/v1/jobs", tags=["jobs"])
# Of a job's spec, what is not the cell's config.
NOT_CONFIG = {"experiment", "dataset", "seeds", "fresh", *RunLimits.model_fields}
DEFAULT_SEEDS = [0, 1, 2]
ACTION = accepting(JobAnswer, HTTPStatus.NOT_FOUND)
QUEUES = accepting(JobAnswer, HTTPStatus.NOT_FOUND, queues_runs=True)


def _created(session: Session, context: Context, job_id: str) -> Created:
    return _answered(session, context, get_job(session, job_id), runs_of_jobs(session, [job_id])[job_id])


def _answered(session: Session, context: Context, row: JobRow, runs: Sequence[ListedRun]) -> Created:
    answer = job_answer(row, runs, context.waiting(session, runs))
    return Created(location=f"/v1/jobs/{row.id}", answer=answer)


@router.post(
    "",
    Scope.SUBMIT,
    Whose.NEW_OR_OWN_STEP,
    **accepting(JobAnswer, queues_runs=True),
)
def submit_job(spec: Annotated[JobCreate, Body(openapi_examples=JOBS)], post: Posted) -> JSONResponse:
    """Submit one cell. Cell 53 needs an experiment whose gate has passed; otherwise 409 with the gate's report."""
    check_priority(post.principal, spec.priority)
    check_checkpoints(spec, post.context.settings.models)

    def create(session: Session) -> Created:
        job = _create(session, spec, post)
        return _answered(session, post.context, job.row, job.runs)

    return post.accept(create, queues_runs=True)


def _create(session: Session, spec: JobCreate, post: Post) -> NewJob:
    config = spec.model_dump(mode="json", exclude=NOT_CONFIG)
    cell = Cell(str(spec.cell))
    if spec.experiment is not None:
        _refuse_other_dataset(spec)
        experiment = _require_experiment(session, spec.experiment)
        check_may_change(post.principal, experiment.owner_id, f"experiment {spec.experiment}")
        return create_experiment_job(
            session,
            experiment_id=spec.experiment,
            cell=cell,
            config=config,
            artifacts=post.context.settings.artifacts,
            seeds=None if isinstance(spec, SingleJob) else spec.seeds,
            limits=spec,
            fresh=not isinstance(spec, SingleJob) and spec.fresh,
            # A step is its experiment's, also where an admin adds it: the owner can cancel and delete the whole.
            owner=Owner(id=experiment.owner_id, name=experiment.owner),
        )
    if spec.dataset is None:
        detail = "name a data set, or an experiment to be a step of"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/dataset", detail=detail)])
    return create_job(
        session,
        cell=cell,
        dataset_id=spec.dataset,
        config=config,
        seeds=spec.seeds or DEFAULT_SEEDS,
        limits=spec,
        owner=post.principal.owner,
        fresh=spec.fresh,
    )


def _require_experiment(session: Session, experiment_id: str) -> ExperimentRow:
    try:
        return get_experiment(session, experiment_id)
    except NotFound as error:
        # Nothing is missing at this URL: the body is wrong.
        detail = f"{error.detail}; GET /v1/experiments lists those there are"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/experiment", detail=detail)]) from error


def _refuse_other_dataset(spec: JobCreate) -> None:
    if isinstance(spec, DatasetJob) and spec.dataset is not None:
        detail = "an experiment has a data set of its own: leave `dataset` out, or leave `experiment` out"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/dataset", detail=detail)])


@router.get("", Scope.READ, **tagged())
def read_jobs(
    context: Ctx,
    paging: PagedByName,
    text: Search = None,
    owner: OwnedBy = None,
    states: JobStates = None,
    outcomes: JobOutcomes = None,
    cells: Cells = None,
    experiment: OfExperiment = None,
    dataset: OfDataset = None,
    labels: Labels = None,
    archived: ArchivedItems = Archived.FALSE,
    created_since: CreatedSince = None,
    created_before: CreatedBefore = None,
) -> Page[JobAnswer]:
    """List the jobs, newest first or by name, each with its runs."""
    wanted = Filters(
        text=text,
        owner=owner,
        states=states or (),
        outcomes=outcomes or (),
        cells=cells or (),
        experiment_id=experiment,
        dataset_id=dataset,
        labels=wanted_labels(labels),
        archived=wanted_archived(archived),
        since_s=seconds(created_since),
        before_s=seconds(created_before),
    )
    with context.database.read() as session:
        rows = list_jobs(session, paging.wanted, wanted)
        ids = [row.id for row in rows]
        runs = runs_of_jobs(session, ids)
        waiting = context.waiting(session, chain.from_iterable(runs.values()))
        items = [job_answer(row, runs[row.id], waiting) for row in rows]
    return paging.found(items, rows)


@router.get(
    "/{job_id}",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED),
    shortcut=shortcuts.unchanged_while_idle,
)
def read_job(job_id: JobPath, context: Ctx, poll: PolledIdle) -> JobAnswer:
    """Return a job with its runs."""
    with context.database.read() as session:
        poll_state = load_poll_state(session, job_id)
        row = get_job(session, job_id)
        runs = runs_of_jobs(session, [job_id])[job_id]
        waiting = context.waiting(session, runs)
        poll.check(job_id, poll_state, fingerprint(waiting))
        return job_answer(row, runs, waiting)


@router.post("/{job_id}/cancel", Scope.SUBMIT, Whose.OWN, **ACTION, name="cancel_job")
def cancel(job_id: JobPath, post: Posted) -> JSONResponse:
    """Cancel a job's runs that have not ended."""

    def work(session: Session, job_id: str) -> None:
        cancel_job(session, job_id)
        for run in runs_of_jobs(session, [job_id])[job_id]:
            after_run(session, run_id=run.id, artifacts=post.context.settings.artifacts)

    return post.act(job_id, work, _created)


@router.post("/{job_id}/pause", Scope.SUBMIT, Whose.OWN, **ACTION, name="pause_job")
def pause(job_id: JobPath, post: Posted) -> JSONResponse:
    """Pause a job. Queued runs leave the queue; running ones save a checkpoint first."""
    return post.act(job_id, pause_job, _created)


@router.post("/{job_id}/resume", Scope.SUBMIT, Whose.OWN, **ACTION, name="resume_job")
def resume(job_id: JobPath, post: Posted) -> JSONResponse:
    """Resume a job. Its paused runs are queued again and continue from their checkpoints."""
    return post.act(job_id, resume_job, _created)


@router.post("/{job_id}/retry", Scope.SUBMIT, Whose.OWN, **QUEUES, name="retry_job")
def retry(job_id: JobPath, post: Posted, wanted: JobRetry | None = None) -> JSONResponse:
    """Retry a job's failed and cancelled runs. A new run replaces each one and continues from its checkpoint.

    With `learning_rate` a new job takes the job's place instead, and trains all its seeds at that rate; `Location`
    names it. If the experiment has continued without them, its conclusions are withdrawn and made again.
    """
    rate = None if wanted is None else wanted.learning_rate
    work = retry_job if rate is None else partial(retry_job_at, learning_rate=rate)
    return post.act(job_id, work, _created, queues_runs=True)


@router.patch("/{job_id}", Scope.SUBMIT, Whose.OWN, **CHANGING)
def change_job(job_id: JobPath, wanted: MetadataChange, changing: Changing) -> JobAnswer:
    """Change a job's name, note, labels, or whether it is archived."""

    def read(session: Session) -> JobAnswer:
        runs = runs_of_jobs(session, [job_id])[job_id]
        return job_answer(get_job(session, job_id), runs, changing.context.waiting(session, runs))

    return changing.change(JobRow, job_id, wanted, read)


@router.delete("/{job_id}", Scope.SUBMIT, Whose.OWN, **DELETING)
def delete_job(job_id: JobPath, deleting: Deleting) -> DeletionAnswer:
    """Delete a job with its runs. Experiments depend on their steps, data sets and bundles on what made them."""
    return deleting.delete(ResourceKind.JOB, job_id)
