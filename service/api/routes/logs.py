"""A run's attempts, its output as a whole, in pages and live, and its events live."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from cellgate.contract.api.runs import AttemptAnswer, EventAnswer, LogChunk, LogPage
from cellgate.contract.api.tokens import Scope
from cellgate.contract.states import RunState
from service.api.context import Context, Ctx, Permitted
from service.api.etags import tagged
from service.api.parameters import RunPath
from service.api.ranges import is_held, range_of
from service.api.responses import documented
from service.api.scopes import ScopedRouter
from service.api.streams import News, stream_events_of
from service.api.views import answer
from service.domain.errors import InvalidSpec, Mistake
from service.store.logs import BATCH, START, Key, attempts_of, chunks_after, measured, output_versions, text_between
from service.store.runs import events_of, get_run
from service.store.versions import run_without_result

router = ScopedRouter(prefix="/v1/runs", tags=["runs"])
KEY = r"^\d{1,9}\.\d{1,9}$"
CHUNKS = 100
Attempt = Annotated[int | None, Query(ge=1, lt=2**31)]
AfterChunk = Annotated[
    str | None, Query(pattern=KEY, description="With JSON: `next` of the page before, or the `id` of an event.")
]
MaxChunks = Annotated[
    int | None, Query(ge=1, le=500, description=f"With JSON: maximum number of chunks; default {CHUNKS}.")
]
LastChunk = Annotated[str | None, Header(alias="Last-Event-ID", pattern=KEY)]
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,18}$")]
TEXT = {"text/plain": {"schema": {"type": "string"}}}
EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {
        "description": "Server-sent events; the last is `end`, with the state that the run has ended in, or `refused` "
        "once the token is not good any more",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    **documented(HTTPStatus.NOT_FOUND),
}
OUTPUT: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {
        "description": "The output: as text, or in numbered chunks if `Accept` prefers JSON",
        "content": {**TEXT, "application/json": {"schema": {"$ref": "#/components/schemas/LogPage"}}},
        "model": LogPage,
    },
    HTTPStatus.PARTIAL_CONTENT.value: {"description": "The requested range", "content": TEXT},
    **documented(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
}


def _existing_run(run_id: RunPath, context: Ctx) -> str:
    # Before the stream begins: afterwards no status can be sent.
    with context.database.read() as session:
        get_run(session, run_id)
    return run_id


ExistingRun = Annotated[str, Depends(_existing_run)]


@router.get("/{run_id}/attempts", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_attempts(run_id: RunPath, context: Ctx) -> list[AttemptAnswer]:
    """List the attempts at a run, oldest first."""
    with context.database.read() as session:
        get_run(session, run_id)
        return [answer(AttemptAnswer, row) for row in attempts_of(session, run_id)]


@router.get("/{run_id}/logs", Scope.READ, response_class=Response, responses=OUTPUT)
def read_logs(
    run_id: RunPath,
    context: Ctx,
    request: Request,
    attempt: Attempt = None,
    after: AfterChunk = None,
    limit: MaxChunks = None,
) -> Response:
    """Return the output of the run's trainers: as text, which supports `Range`, or as JSON in numbered chunks."""
    if _prefers_json(request.headers.get("Accept", "")):
        return _by_pieces(context, run_id, attempt, _key(after), limit or CHUNKS)
    _refuse_paging(after, limit)
    return _as_text(context, run_id, attempt, request)


@router.get("/{run_id}/logs/stream", Scope.READ, response_class=EventSourceResponse, responses=EVENT_STREAM)
async def stream_logs(
    run_id: ExistingRun,
    context: Ctx,
    permit: Permitted,
    attempt: Attempt = None,
    last_event_id: LastChunk = None,
) -> AsyncIterator[ServerSentEvent]:
    """Stream the output of the run's trainers, from the start or after `Last-Event-ID`."""

    def look(cursor: str) -> News:
        with context.database.read() as session:
            version = output_versions(session, [run_id])[run_id]
            state = RunState(run_without_result(session, run_id).state)
            rows = chunks_after(session, run_id, _key(cursor), attempt=attempt)
            items = [(_cursor((row.attempt, row.number)), answer(LogChunk, row)) for row in rows]
        return _news(version, items, state)

    async for event in stream_events_of("log", run_id, last_event_id or _cursor(START), look, context.output, permit):
        yield event


@router.get("/{run_id}/events/stream", Scope.READ, response_class=EventSourceResponse, responses=EVENT_STREAM)
async def stream_events(
    run_id: ExistingRun, context: Ctx, permit: Permitted, last_event_id: LastEvent = None
) -> AsyncIterator[ServerSentEvent]:
    """Stream the events of a run, from the start or after `Last-Event-ID`."""

    def look(cursor: str) -> News:
        with context.database.read() as session:
            version = output_versions(session, [run_id])[run_id]
            state = RunState(run_without_result(session, run_id).state)
            rows = events_of(session, run_id=run_id, after=int(cursor), limit=BATCH)
            items = [(str(row.id), answer(EventAnswer, row)) for row in rows]
        return _news(version, items, state)

    async for event in stream_events_of("event", run_id, last_event_id or "0", look, context.output, permit):
        yield event


def _news(version: int, items: Sequence[tuple[str, BaseModel]], state: RunState) -> News:
    # The state was read first: once it is final, no output follows what was found then.
    return News(version=version, items=items, more=len(items) == BATCH, final=state if state.terminal else None)


def _as_text(context: Context, run_id: str, attempt: int | None, request: Request) -> Response:
    with context.database.read() as session:
        ended = RunState(get_run(session, run_id).state).terminal
        pieces = measured(session, run_id, attempt=attempt)
    size = pieces[-1].end if pieces else 0
    etag = f'"{run_id}-{attempt or "all"}-{size}"' if ended else None
    headers = {"Vary": "Accept", **({"ETag": etag} if etag else {})}
    if etag and is_held(etag, request.headers):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    part = range_of(size, request.headers, etag)
    content = text_between(context.database, run_id, pieces, part.begin, part.end)
    return StreamingResponse(
        content, status_code=part.status, media_type="text/plain", headers={**headers, **part.headers}
    )


def _by_pieces(context: Context, run_id: str, attempt: int | None, after: Key, limit: int) -> JSONResponse:
    with context.database.read() as session:
        ended = RunState(get_run(session, run_id).state).terminal
        rows = chunks_after(session, run_id, after, attempt=attempt, limit=limit + 1)
        chunks = [answer(LogChunk, row) for row in rows[:limit]]
    last = (chunks[-1].attempt, chunks[-1].number) if chunks else after
    page = LogPage(
        chunks=chunks, next=None if last == START else _cursor(last), ended=ended and len(rows) == len(chunks)
    )
    return JSONResponse(page.model_dump(mode="json"), headers={"Vary": "Accept"})


def _refuse_paging(after: str | None, limit: int | None) -> None:
    given = [name for name, value in (("after", after), ("limit", limit)) if value is not None]
    if given:
        detail = "only JSON output has pages: send Accept: application/json, or a Range header for text"
        mistakes = [Mistake(pointer=f"#query/{name}", detail=detail) for name in given]
        raise InvalidSpec("the query pages through text", mistakes=mistakes)


def _prefers_json(accept: str) -> bool:
    weights = {"application/json": 0.0, "text/plain": 0.0}
    for entry in accept.split(","):
        media_type, *parameters = [part.strip().lower() for part in entry.split(";")]
        if media_type in weights:
            weights[media_type] = _weight(parameters)
    return weights["application/json"] > weights["text/plain"]


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if value.replace(".", "", 1).isdecimal() and value.isascii() else 0.0
    return 1.0


def _key(cursor: str | None) -> Key:
    attempt, _, number = (cursor or "0.0").partition(".")
    return int(attempt), int(number)


def _cursor(key: Key) -> str:
    return f"{key[0]}.{key[1]}"
