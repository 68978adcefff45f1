"""Runs: one seed of a job, its curves and events."""

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.resources import Archived, DeletionAnswer, MetadataChange, ResourceKind
from cellgate.contract.api.runs import ChosenRate, EventAnswer, LrFinderAnswer, MetricsAnswer, RunAnswer, RunStatus
from cellgate.contract.api.tokens import Scope
from cellgate.contract.cells import ENTRY_OF, Cell
from cellgate.contract.states import RunState
from service.api import shortcuts
from service.api.changes import CHANGING, DELETING, Changing, Deleting
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.idempotency import Created, Posted
from service.api.parameters import (
    ArchivedItems,
    Cells,
    CreatedBefore,
    CreatedSince,
    Labels,
    OfExperiment,
    OfJob,
    PagedEvents,
    RunPath,
    RunStates,
    seconds,
    wanted_archived,
    wanted_labels,
)
from service.api.polling import Polled, PolledIdle, PolledStatus, fingerprint
from service.api.problems import NoRangeTest
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.sorted_pages import OwnedBy, PagedByAny, Search
from service.api.views import answer, curve_answer, run_answer, run_status
from service.domain.comparison import POINTS_PER_INTERVAL
from service.domain.range_tests import RangeTest, range_test_in
from service.store.filters import Filters
from service.store.pipeline import after_run
from service.store.retries import retry_run
from service.store.run_actions import cancel_run, pause_run, resume_run
from service.store.runs import epoch_ends_of, events_of, get_run, list_runs, metrics_of, told_rates
from service.store.tables import RunRow
from service.store.versions import load_poll_state, run_without_result

# A century: any time that a run can take, and exact as a number.
LONGEST_S = 100 * 366 * 24 * 3600
router = ScopedRouter(prefix="/v1/runs", tags=["runs"])
Keys = Annotated[
    str | None,
    Query(
        max_length=2000,
        pattern=r"^[ -~]*$",
        description="Comma-separated, e.g. `dev/f1,train/loss`; `lr/*` is every key of a group; default: all.",
    ),
]
MaxPoints = Annotated[
    int | None,
    Query(
        ge=POINTS_PER_INTERVAL,
        le=100_000,
        description="Points of each curve at most: first, last, lowest and highest of equal intervals of steps.",
    ),
]
SinceSeconds = Annotated[
    float | None,
    Query(
        ge=0,
        le=LONGEST_S,
        description="Only points that were stored at least so many seconds after the first attempt began. The last of "
        "`times_s`, less a second since times are rounded, asks for what is new; `points` then counts these alone.",
    ),
]
ACTION = accepting(RunAnswer, HTTPStatus.NOT_FOUND)
QUEUES = accepting(RunAnswer, HTTPStatus.NOT_FOUND, queues_runs=True)


@router.get("", Scope.READ, **tagged())
def read_runs(
    context: Ctx,
    paging: PagedByAny,
    text: Search = None,
    owner: OwnedBy = None,
    states: RunStates = None,
    cells: Cells = None,
    experiment: OfExperiment = None,
    job: OfJob = None,
    labels: Labels = None,
    archived: ArchivedItems = Archived.FALSE,
    created_since: CreatedSince = None,
    created_before: CreatedBefore = None,
) -> Page[RunAnswer]:
    """List the runs, including those that a retry has replaced: newest first, or by name, F1 or the time they took."""
    wanted = Filters(
        text=text,
        owner=owner,
        states=states or (),
        cells=cells or (),
        experiment_id=experiment,
        job_id=job,
        labels=wanted_labels(labels),
        archived=wanted_archived(archived),
        since_s=seconds(created_since),
        before_s=seconds(created_before),
    )
    with context.database.read() as session:
        rows = list_runs(session, paging.wanted, wanted)
        waiting = context.waiting(session, rows)
        return paging.found([run_answer(row, waiting) for row in rows], rows)


@router.get(
    "/{run_id}",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED),
    shortcut=shortcuts.unchanged_while_idle,
)
def read_run(run_id: RunPath, context: Ctx, poll: PolledIdle) -> RunAnswer:
    """Return a run with its result."""
    with context.database.read() as session:
        poll_state = load_poll_state(session, run_id)
        row = get_run(session, run_id)
        waiting = context.waiting(session, [row])
        poll.check(run_id, poll_state, fingerprint(waiting))
        return run_answer(row, waiting, with_result=True)


@router.get(
    "/{run_id}/status",
    Scope.READ,
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED),
    shortcut=shortcuts.run_status,
)
def read_run_status(run_id: RunPath, context: Ctx, poll: PolledStatus) -> RunStatus:
    """Return a run's state and progress without its result; the cheapest answer to poll."""
    with context.database.read() as session:
        poll.check(run_id, load_poll_state(session, run_id))
        return run_status(run_without_result(session, run_id))


@router.get("/{run_id}/metrics", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_metrics(
    run_id: RunPath,
    context: Ctx,
    poll: Polled,
    keys: Keys = None,
    max_points: MaxPoints = None,
    since_s: SinceSeconds = None,
) -> MetricsAnswer:
    """Return the run's curves by optimizer step. `max_points` thins long curves and keeps their peaks."""
    with context.database.read() as session:
        poll.check(run_id, load_poll_state(session, run_id), _named(keys, max_points, since_s))
        curves = metrics_of(session, run_id, None if keys is None else keys.split(","), since_s=since_s)
        ends = epoch_ends_of(session, run_id)
    return MetricsAnswer(run=run_id, curves=[curve_answer(curve, max_points, ends) for curve in curves])


@router.get("/{run_id}/lr-finder", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_lr_finder(run_id: RunPath, context: Ctx, poll: Polled) -> LrFinderAnswer:
    """Return the curve of a run's LR range test, and the rate that was chosen."""
    with context.database.read() as session:
        poll.check(run_id, load_poll_state(session, run_id), "lr-finder")
        row = get_run(session, run_id)
        test = range_test_in(told_rates(session, run_id))
    if test is None or test.curve is None:
        raise NoRangeTest(_why_no_curve(row, test))
    chosen = test.chosen
    return LrFinderAnswer(
        run=run_id,
        **test.curve.model_dump(),
        chosen=ChosenRate(rate=chosen.learning_rate, source=chosen.source, why=chosen.reason),
    )


def _why_no_curve(row: RunRow, test: RangeTest | None) -> str:
    if not ENTRY_OF[Cell(row.cell)].checkpoints:
        return f"run {row.id} trains no network, so it has no LR range test: ask for a run of cell 51, 52 or 53"
    if test is None and not RunState(row.state).terminal:
        return f"run {row.id} is {row.state}, and its LR range test has not ended: wait for its event `lr_finder`"
    if test is None:
        return f"run {row.id} ended before its learning rate was chosen; read its failure_detail"
    if test.chosen.source == "spec":
        return f"the spec fixes the learning rate of run {row.id} at {test.chosen.learning_rate:g}: nothing was tested"
    return (
        f"run {row.id} has a learning rate of {test.chosen.learning_rate:g} and no curve: either no test was made, or "
        f"an older release made it. It said: {test.chosen.reason}"
    )


def _named(*choice: object) -> str:
    # Keys may hold what an entity tag may not.
    return hashlib.sha256(repr(choice).encode()).hexdigest()[:16]


@router.get("/{run_id}/events", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_events(run_id: RunPath, context: Ctx, paging: PagedEvents) -> list[EventAnswer]:
    """Return the events of a run, oldest first, or from the end with `order=desc`."""
    with context.database.read() as session:
        get_run(session, run_id)
        rows = events_of(
            session,
            run_id=run_id,
            after=paging.after,
            before=paging.before,
            limit=paging.limit,
            newest_first=paging.newest_first,
        )
        return paging.page([answer(EventAnswer, row) for row in rows])


@router.post("/{run_id}/cancel", Scope.SUBMIT, Whose.OWN, **ACTION, name="cancel_run")
def cancel(run_id: RunPath, post: Posted) -> JSONResponse:
    """Cancel a run. A waiting run ends at once, a running one after its trainer has saved a checkpoint."""

    def work(session: Session, run_id: str) -> None:
        cancel_run(session, run_id)
        after_run(session, run_id=run_id, artifacts=post.context.settings.artifacts)

    return post.act(run_id, work, _created)


@router.post("/{run_id}/pause", Scope.SUBMIT, Whose.OWN, **ACTION, name="pause_run")
def pause(run_id: RunPath, post: Posted) -> JSONResponse:
    """Pause a run. A queued run pauses at once, a running one after its trainer has saved a checkpoint."""
    return post.act(run_id, pause_run, _created)


@router.post("/{run_id}/resume", Scope.SUBMIT, Whose.OWN, **ACTION, name="resume_run")
def resume(run_id: RunPath, post: Posted) -> JSONResponse:
    """Resume a paused run. It is queued again and continues from its checkpoint."""
    return post.act(run_id, resume_run, _created)


@router.post("/{run_id}/retry", Scope.SUBMIT, Whose.OWN, **QUEUES, name="retry_run")
def retry(run_id: RunPath, post: Posted) -> JSONResponse:
    """Retry a failed or cancelled run. A new run replaces it, and the answer is the new run.

    The new run continues from the old one's checkpoint. If the experiment has continued without it, its conclusions
    are withdrawn and made again.
    """
    return post.act(run_id, retry_run, _created, queues_runs=True)


@router.patch("/{run_id}", Scope.SUBMIT, Whose.OWN, **CHANGING)
def change_run(run_id: RunPath, wanted: MetadataChange, changing: Changing) -> RunAnswer:
    """Change a run's name, note, labels, or whether it is archived."""

    def read(session: Session) -> RunAnswer:
        row = get_run(session, run_id)
        return run_answer(row, changing.context.waiting(session, [row]), with_result=True)

    return changing.change(RunRow, run_id, wanted, read)


@router.delete("/{run_id}", Scope.SUBMIT, Whose.OWN, **DELETING)
def delete_run(run_id: RunPath, deleting: Deleting) -> DeletionAnswer:
    """Delete a run with its curves, output and files.

    A job that has a step in an experiment, or no other run, depends on it; of other jobs it takes its seed. A run that
    was replaced by a retry goes by itself, unless the new run has not ended.
    """
    return deleting.delete(ResourceKind.RUN, run_id)


def _created(session: Session, context: Context, run_id: str) -> Created:
    row = get_run(session, run_id)
    return Created(location=f"/v1/runs/{row.id}", answer=run_answer(row, context.waiting(session, [row])))
