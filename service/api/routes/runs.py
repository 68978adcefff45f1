"""Runs: one seed of a job, its curves, events and output."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy.orm import Session

from service.api.context import Ctx
from service.api.idempotency import Created, Post, Posted
from service.api.paths import After, AfterEvent, Limit, RunPath
from service.api.polling import Polled, fingerprint, next_cursor
from service.api.problems import documented, documented_post, documented_submission
from service.api.schemas import EventAnswer, MetricsAnswer, Page, RunAnswer
from service.api.views import curve_answer, event_answer, run_answer
from service.domain.states import RunState
from service.store.lifecycle import cancel_run, pause_run, resume_run
from service.store.pipeline import after_run
from service.store.retries import retry_run
from service.store.runs import events_of, get_run, list_runs, logs_of, metrics_of

router = APIRouter(prefix="/v1/runs", tags=["runs"])
Keys = Annotated[
    str | None,
    Query(
        max_length=2000,
        pattern=r"^[ -~]*$",
        description="Comma-separated, e.g. `dev/f1,train/loss`; default: all.",
    ),
]
Attempt = Annotated[int | None, Query(ge=1, lt=2**31)]
ACTION: dict[str, Any] = {
    "status_code": HTTPStatus.ACCEPTED,
    "response_model": RunAnswer,
    "responses": documented_post(HTTPStatus.NOT_FOUND),
}
QUEUES = {**ACTION, "responses": documented_submission(HTTPStatus.NOT_FOUND)}


@router.get("", responses=documented())
def read_runs(context: Ctx, limit: Limit = 50, after: After = None, state: RunState | None = None) -> Page[RunAnswer]:
    """List the runs, newest first."""
    with context.database.read() as session:
        rows = list_runs(session, limit=limit, after=after, state=state)
        waiting = context.waiting(session, rows)
    return Page(items=[run_answer(row, waiting) for row in rows], next=next_cursor([row.id for row in rows], limit))


@router.get("/{run_id}", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_run(run_id: RunPath, context: Ctx, poll: Polled) -> RunAnswer:
    """Return a run with its result."""
    with context.database.read() as session:
        row = get_run(session, run_id)
        waiting = context.waiting(session, [row])
        poll.check(row.id, row.version, fingerprint(waiting), ended=RunState(row.state).terminal)
        return run_answer(row, waiting, with_result=True)


@router.get("/{run_id}/metrics", responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED))
def read_metrics(run_id: RunPath, context: Ctx, poll: Polled, keys: Keys = None) -> MetricsAnswer:
    """Return the run's curves by optimizer step."""
    with context.database.read() as session:
        row = get_run(session, run_id)
        poll.check(row.id, row.version, keys or "", ended=RunState(row.state).terminal)
        curves = metrics_of(session, run_id, None if keys is None else keys.split(","))
    return MetricsAnswer(run=run_id, curves=[curve_answer(curve) for curve in curves])


@router.get("/{run_id}/events", responses=documented(HTTPStatus.NOT_FOUND))
def read_events(run_id: RunPath, context: Ctx, after: AfterEvent = 0, limit: Limit = 100) -> list[EventAnswer]:
    """Return what happened to the run, oldest first."""
    with context.database.read() as session:
        get_run(session, run_id)
        return [event_answer(row) for row in events_of(session, run_id=run_id, after=after, limit=limit)]


@router.get("/{run_id}/logs", response_class=PlainTextResponse, responses=documented(HTTPStatus.NOT_FOUND))
def read_logs(run_id: RunPath, context: Ctx, attempt: Attempt = None) -> PlainTextResponse:
    """Return what the run's trainers printed."""
    with context.database.read() as session:
        get_run(session, run_id)
        text = "".join(row.text for row in logs_of(session, run_id, attempt=attempt))
    return PlainTextResponse(text)


@router.post("/{run_id}/cancel", **ACTION, name="cancel_run")
def cancel(run_id: RunPath, post: Posted, context: Ctx) -> JSONResponse:
    """Cancel a run: at once while it waits, else after its trainer has saved a checkpoint."""

    def work(session: Session) -> str:
        cancel_run(session, run_id)
        after_run(session, run_id=run_id, artifacts=context.settings.artifacts)
        return run_id

    return _act(post, work)


@router.post("/{run_id}/pause", **ACTION, name="pause_run")
def pause(run_id: RunPath, post: Posted) -> JSONResponse:
    """Pause a run: at once while it waits, else after its trainer has saved a checkpoint."""

    def work(session: Session) -> str:
        pause_run(session, run_id)
        return run_id

    return _act(post, work)


@router.post("/{run_id}/resume", **ACTION, name="resume_run")
def resume(run_id: RunPath, post: Posted) -> JSONResponse:
    """Put a paused run back into the queue; it goes on from its checkpoint."""

    def work(session: Session) -> str:
        resume_run(session, run_id)
        return run_id

    return _act(post, work)


@router.post("/{run_id}/retry", **QUEUES, name="retry_run")
def retry(run_id: RunPath, post: Posted) -> JSONResponse:
    """Try a failed or cancelled run again: a new run takes its place, and is answered.

    It goes on from the old one's checkpoint. An experiment that went on without it goes back, and concludes anew.
    """
    return _act(post, lambda session: retry_run(session, run_id), queues=True)


def _act(post: Post, work: Callable[[Session], str], *, queues: bool = False) -> JSONResponse:
    """Answer with the run whose id `work` returns.

    Args:
        queues: Whether that is a new run, which counts towards the caller's quota.
    """

    def done(session: Session) -> Created:
        row = get_run(session, work(session))
        return Created(location=f"/v1/runs/{row.id}", answer=run_answer(row, post.context.waiting(session, [row])))

    return post.accept_within_quota(done) if queues else post.accept(done)
