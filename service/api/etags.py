"""Entity tags of what has no version of its own: a hash of the answer. Requests can wait for another one of some.

A 304 saves the way of the answer, not its making. What waits is made again only when a change was seen, once for all
requests that wait for the same.

Source:
    RFC 9110, sections 8.8.3 (ETag) and 13.1.2 (If-None-Match).
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response
from fastapi.routing import APIRoute

from service.api.context import Permitted, context_of
from service.api.responses import documented

LONGEST_WAIT_S = 60
CACHING = "private, no-cache"
Answering = Callable[[Request], Awaitable[Response]]
IfNoneMatch = Annotated[str | None, Header(description="ETag of the version that the caller holds.")]
Wait = Annotated[
    int,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        description="With `If-None-Match`: wait up to this many seconds for a change before answering.",
    ),
]


async def _held(request: Request, if_none_match: IfNoneMatch = None) -> None:
    request.state.held = frozenset(tag.strip() for tag in (if_none_match or "").split(",")) - {""}


async def _waiting(request: Request, permit: Permitted, wait: Wait = 0) -> None:
    request.state.wait_s, request.state.permit = wait, permit


def tagged(*statuses: HTTPStatus, waits: bool = False) -> dict[str, Any]:
    """Return the options of a GET route whose answers have an entity tag.

    Args:
        statuses: Problems that it can give besides those of every route.
        waits: Whether it takes `wait`: its answer is made of what `service.store.changes` watches.
    """
    dependencies = [Depends(_held), *([Depends(_waiting)] if waits else [])]
    return {
        "route_class_override": TaggedRoute,
        "dependencies": dependencies,
        "responses": documented(*statuses, HTTPStatus.NOT_MODIFIED),
    }


class TaggedRoute(APIRoute):
    """A route that tags its answers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; see FastAPI's `APIRoute`."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            lists = context_of(request).lists
            seen = lists.changes
            made = await _made(request, handler)
            if isinstance(made, Response):
                return made
            return await _changed(request, handler, made, seen) if _waits(request, made) else _sent(request, made)

        return answer


@dataclass(frozen=True, kw_only=True)
class Made:
    """An answer that can be sent to several requests."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def etag(self) -> str:
        """Its entity tag."""
        return self.headers["ETag"]


async def _made(request: Request, handler: Answering) -> Made | Response:
    """Return the answer with its tag; as it is where it is an error, or has a tag already."""
    turn = getattr(request.state, "turn", None)
    response = await (handler(request) if turn is None else turn.pass_on(handler, request))
    if response.status_code != HTTPStatus.OK or "ETag" in response.headers:
        return response
    body = bytes(response.body)
    kept = {name: response.headers[name] for name in ("Content-Type", "Link") if name in response.headers}
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Made(body=body, headers={**kept, "ETag": etag, "Cache-Control": CACHING})


def _waits(request: Request, made: Made) -> bool:
    return getattr(request.state, "wait_s", 0) > 0 and made.etag in request.state.held


def _sent(request: Request, made: Made) -> Response:
    if made.etag in request.state.held:
        kept = {name: value for name, value in made.headers.items() if name != "Content-Type"}
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)
    return Response(made.body, headers=dict(made.headers))


async def _changed(request: Request, handler: Answering, made: Made, seen: int) -> Response:
    """Return the next answer that the caller does not hold, or 304 when the time is over.

    Args:
        request: It waits.
        handler: Makes the answer.
        made: The answer that the caller holds.
        seen: The changes that were seen before it was made.
    """
    lists = context_of(request).lists
    key = request.url.remove_query_params("wait").query, request.url.path
    end = time.monotonic() + request.state.wait_s
    while made.etag in request.state.held and (left_s := end - time.monotonic()) > 0:
        now = await lists.wait(seen, timeout_s=left_s, permit=request.state.permit)
        if now == seen:
            break
        seen = now
        again = await lists.shared(key, partial(_made, request, handler))
        if isinstance(again, Response):
            return await handler(request)
        made = again
    return _sent(request, made)
