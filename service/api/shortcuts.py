"""What a route may answer before FastAPI sees the request: the usual one, which clients send all the time.

A shortcut gets requests that have passed every check of the middleware. What it leaves alone, the route's endpoint
answers, and says what is wrong with it.
"""

from fastapi import Request, Response

from service.api.context import context_of
from service.api.polled_answers import IDLE, not_modified, poll_headers, tags_in

JSON = "application/json"


async def run_status(request: Request, run_id: str) -> Response | None:
    """Answer a poll of a run's status."""
    found = None if _has_options(request) else await context_of(request).run_statuses.of(run_id)
    if found is None:
        return None
    if found.headers["ETag"] in tags_in(request.headers.get("If-None-Match")):
        return not_modified(found.headers)
    return Response(found.content, media_type=JSON, headers=dict(found.headers))


async def unchanged(request: Request, row_id: str) -> Response | None:
    """Answer 304 to who holds the row's version."""
    return await _unchanged(request, row_id, idle=False)


async def unchanged_while_idle(request: Request, row_id: str) -> Response | None:
    """Answer 304 to who holds the row's version, where no run waits: the answer then depends on the version alone."""
    return await _unchanged(request, row_id, idle=True)


async def _unchanged(request: Request, row_id: str, *, idle: bool) -> Response | None:
    held = request.headers.get("If-None-Match")
    if held is None or _has_options(request):
        return None
    poll_state = await context_of(request).load_poll_states.of(row_id)
    if poll_state is None or (idle and poll_state.waits):
        return None
    headers = poll_headers(row_id, poll_state, *([IDLE] if idle else []))
    return not_modified(headers) if headers["ETag"] in tags_in(held) else None


def _has_options(request: Request) -> bool:
    return bool(request.scope["query_string"])
