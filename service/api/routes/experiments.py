"""Experiments: the whole pipeline. Its gate and its decisions are in `gate_decision`."""

from http import HTTPStatus
from itertools import chain
from typing import Annotated, Any

from fastapi import Body
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.estimates import SpentAnswer
from cellgate.contract.api.experiments import (
    ExperimentAnswer,
    ExperimentCreate,
    ExperimentStatus,
    ExperimentSummary,
    SeedsCreate,
)
from cellgate.contract.api.resources import Archived, DeletionAnswer, MetadataChange, ResourceKind
from cellgate.contract.api.runs import EventAnswer
from cellgate.contract.api.tokens import Scope
from cellgate.contract.experiment import ExperimentSpec
from service.api import shortcuts
from service.api.changes import CHANGING, DELETING, Changing, Deleting
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.examples import EXPERIMENTS
from service.api.experiment_specs import parsed_spec
from service.api.idempotency import Created, Posted
from service.api.model_check import check_checkpoints
from service.api.parameters import (
    ArchivedItems,
    CreatedBefore,
    CreatedSince,
    ExperimentOutcomes,
    ExperimentPath,
    ExperimentStates,
    Labels,
    OfDataset,
    PagedEvents,
    seconds,
    wanted_archived,
    wanted_labels,
)
from service.api.polling import Poll, PolledIdle, PolledStatus, fingerprint
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.sorted_pages import OwnedBy, PagedByAny, Search
from service.api.views import answer, experiment_answer, experiment_status, experiment_summary, job_answer
from service.domain.rights import check_priority
from service.store.conclusions import conclusions_of, decided_outcomes, load_conclusion
from service.store.estimates import estimate, record_estimate, spent_and_predicted
from service.store.experiments import (
    cancel_experiment,
    create_experiment,
    get_experiment,
    labels_of,
)
from service.store.filters import Filters
from service.store.jobs import jobs_of_experiment, runs_of_jobs
from service.store.more_seeds import add_seeds
from service.store.pauses import pause_experiment, resume_experiment
from service.store.runs import events_of
from service.store.summaries import list_experiments
from service.store.tables import ExperimentRow
from service.store.versions import load_experiment_status, load_poll_state

router = ScopedRouter(prefix="/v1/experiments", tags=["experiments"])


def _answer(session: Session, context: Context, experiment_id: str, poll: Poll | None = None) -> ExperimentAnswer:
    poll_state = None if poll is None else load_poll_state(session, experiment_id)
    row = get_experiment(session, experiment_id)
    jobs = jobs_of_experiment(session, experiment_id)
    runs = runs_of_jobs(session, [job.id for job in jobs])
    waiting = context.waiting(session, chain.from_iterable(runs.values()))
    if poll is not None and poll_state is not None:
        poll.check(experiment_id, poll_state, fingerprint(waiting))
    labels = labels_of(session, [experiment_id]).get(experiment_id, {})
    outcome: Any = decided_outcomes(session, [experiment_id]).get(experiment_id)
    return experiment_answer(
        row,
        jobs=[job_answer(job, runs[job.id], waiting) for job in jobs],
        outcome=outcome,
        conclusion=conclusions_of(session, [row]).get(experiment_id),
        labels=labels,
    )


@router.post(
    "",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(ExperimentAnswer, queues_runs=True),
)
def submit_experiment(
    spec: Annotated[ExperimentCreate, Body(openapi_examples=EXPERIMENTS)], post: Posted
) -> JSONResponse:
    """Submit an experiment: pre-flight, 51 and 52 over the seeds, evidence, gate, decision, and fusion if it is due."""
    check_priority(post.principal, spec.priority)
    check_checkpoints(spec, post.context.settings.models)
    parsed = parsed_spec(spec, post.context.settings)

    def create(session: Session) -> Created:
        row = create_experiment(
            session,
            name=spec.name,
            dataset_id=spec.dataset,
            spec=parsed,
            owner=post.principal.owner,
            labels=spec.labels,
        )
        _predict(session, post.context, row)
        return _created(session, post.context, row.id)

    return post.accept(create, queues_runs=True)


@router.get("", Scope.READ, **tagged(waits=True))
def read_experiments(
    context: Ctx,
    paging: PagedByAny,
    text: Search = None,
    owner: OwnedBy = None,
    states: ExperimentStates = None,
    outcomes: ExperimentOutcomes = None,
    dataset: OfDataset = None,
    labels: Labels = None,
    archived: ArchivedItems = Archived.FALSE,
    created_since: CreatedSince = None,
    created_before: CreatedBefore = None,
) -> Page[ExperimentSummary]:
    """List the experiments: newest first, or by name, best F1 or the time that they took."""
    wanted = Filters(
        text=text,
        owner=owner,
        states=states or (),
        outcomes=outcomes or (),
        dataset_id=dataset,
        labels=wanted_labels(labels),
        archived=wanted_archived(archived),
        since_s=seconds(created_since),
        before_s=seconds(created_before),
    )
    with context.database.read() as session:
        found = list_experiments(session, paging.wanted, wanted, context.waiting)
    items = [experiment_summary(overview, ExperimentSummary) for overview in found]
    return paging.found(items, found)


@router.get(
    "/{experiment_id}",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED),
    shortcut=shortcuts.unchanged_while_idle,
)
def read_experiment(experiment_id: ExperimentPath, context: Ctx, poll: PolledIdle) -> ExperimentAnswer:
    """Return an experiment with its pipeline: every job, every run and its progress."""
    with context.database.read() as session:
        return _answer(session, context, experiment_id, poll)


@router.get(
    "/{experiment_id}/status",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED),
    shortcut=shortcuts.unchanged,
)
def read_experiment_status(experiment_id: ExperimentPath, context: Ctx, poll: PolledStatus) -> ExperimentStatus:
    """Return an experiment's state without its jobs; the cheapest answer to poll."""
    with context.database.read() as session:
        poll.check(experiment_id, load_poll_state(session, experiment_id))
        row, verdict = load_experiment_status(session, experiment_id)
        return experiment_status(row, verdict, load_conclusion(session, row))


@router.get("/{experiment_id}/spent", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND))
def read_spent(experiment_id: ExperimentPath, context: Ctx) -> SpentAnswer:
    """Return what an experiment has taken so far, beside what was predicted when it was submitted."""
    with context.database.read() as session:
        return spent_and_predicted(session, experiment_id, price=context.settings.price_per_device_hour)


@router.get("/{experiment_id}/events", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_experiment_events(experiment_id: ExperimentPath, context: Ctx, paging: PagedEvents) -> list[EventAnswer]:
    """Return the events of an experiment and of its runs, oldest first, or from the end with `order=desc`."""
    with context.database.read() as session:
        get_experiment(session, experiment_id)
        rows = events_of(
            session,
            experiment_id=experiment_id,
            after=paging.after,
            before=paging.before,
            limit=paging.limit,
            newest_first=paging.newest_first,
        )
        return paging.page([answer(EventAnswer, row) for row in rows])


@router.post(
    "/{experiment_id}/cancel",
    Scope.SUBMIT,
    Whose.OWN,
    **accepting(ExperimentAnswer, HTTPStatus.NOT_FOUND),
    name="cancel_experiment",
)
def cancel(experiment_id: ExperimentPath, post: Posted) -> JSONResponse:
    """Cancel an experiment and all its unfinished runs."""
    return post.act(experiment_id, cancel_experiment, _created)


@router.post(
    "/{experiment_id}/pause",
    Scope.SUBMIT,
    Whose.OWN,
    **accepting(ExperimentAnswer, HTTPStatus.NOT_FOUND),
    name="pause_experiment",
)
def pause(experiment_id: ExperimentPath, post: Posted) -> JSONResponse:
    """Pause an experiment. Queued runs leave the queue; running ones save a checkpoint first; what it starts later
    begins paused.
    """
    return post.act(experiment_id, pause_experiment, _created)


@router.post(
    "/{experiment_id}/resume",
    Scope.SUBMIT,
    Whose.OWN,
    **accepting(ExperimentAnswer, HTTPStatus.NOT_FOUND),
    name="resume_experiment",
)
def resume(experiment_id: ExperimentPath, post: Posted) -> JSONResponse:
    """Resume an experiment. Its paused runs are queued again and continue from their checkpoints."""
    return post.act(experiment_id, resume_experiment, _created)


@router.post(
    "/{experiment_id}/seeds",
    Scope.SUBMIT,
    Whose.NEW,
    **accepting(ExperimentAnswer, HTTPStatus.NOT_FOUND, queues_runs=True),
    name="add_seeds",
)
def extend(experiment_id: ExperimentPath, wanted: SeedsCreate, post: Posted) -> JSONResponse:
    """Add seeds to an experiment that has decided, as a new experiment over all seeds.

    The results of the seeds that are trained already are reused. The new experiment takes a decision of its own; the
    old one and its decision stay.
    """

    def create(session: Session) -> Created:
        made = add_seeds(session, experiment_id, wanted.seeds, name=wanted.name, owner=post.principal.owner)
        _predict(session, post.context, made)
        return _created(session, post.context, made.id)

    return post.accept(create, queues_runs=True, about_made=True)


@router.patch("/{experiment_id}", Scope.SUBMIT, Whose.OWN, **CHANGING)
def change_experiment(experiment_id: ExperimentPath, wanted: MetadataChange, changing: Changing) -> ExperimentAnswer:
    """Change an experiment's name, note, labels, or whether it is archived."""

    def read(session: Session) -> ExperimentAnswer:
        return _answer(session, changing.context, experiment_id)

    return changing.change(ExperimentRow, experiment_id, wanted, read)


@router.delete("/{experiment_id}", Scope.SUBMIT, Whose.OWN, **DELETING)
def delete_experiment(experiment_id: ExperimentPath, deleting: Deleting) -> DeletionAnswer:
    """Delete an experiment with its jobs, runs, gate and decisions. Bundles that were packed of it depend on it."""
    return deleting.delete(ResourceKind.EXPERIMENT, experiment_id)


def _predict(session: Session, context: Context, row: ExperimentRow) -> None:
    spec, price = ExperimentSpec.model_validate(row.spec), context.settings.price_per_device_hour
    record_estimate(session, row.id, estimate(session, dataset_id=row.dataset_id, spec=spec, price=price))


def _created(session: Session, context: Context, experiment_id: str) -> Created:
    return Created(location=f"/v1/experiments/{experiment_id}", answer=_answer(session, context, experiment_id))
