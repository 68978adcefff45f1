"""The middleware of every request: trace id, token and scope, body checks, security headers, log and metrics.

It speaks ASGI itself: Starlette's middleware of functions answers each request in a task of its own, through a queue.

Source:
    ASGI 3.0; RFC 6750 (bearer tokens); W3C Trace Context (`traceparent`).
"""

import logging
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from opentelemetry.trace import get_current_span
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.auth import TokenCache, authenticate
from service.api.bodies import check_body
from service.api.buffers import BodyBuffer, BodyBuffers
from service.api.compression import Compression
from service.api.context import context_of
from service.api.csrf import check_origin
from service.api.problems import database_away, refusal, unexpected
from service.api.rights import check_rights
from service.api.route_table import UNKNOWN_ROUTE, Needed, RouteTable
from service.api.turns import HeavyReads, Turn
from service.domain.errors import ServiceError
from service.domain.principals import Principal
from service.settings import Settings
from service.telemetry.metrics import Telemetry

# PUT to these routes streams its body itself.
STREAMED_PREFIX = "/v1/uploads/"
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Other origins embed nothing of this one, whatever cookie the browser would send along.
    "Cross-Origin-Resource-Policy": "same-origin",
}
_RAW_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Gatekeeping:
    """What every request is checked and counted with.

    Args:
        settings: Whether a token is required, and how large a body may be.
        tokens: Knows whom a token belongs to.
        telemetry: Counts the answers.
        routes: The scope that each request needs.
        buffers: Room for bodies.
        heavy: Turns of heavy reads.
    """

    settings: Settings
    tokens: TokenCache
    telemetry: Telemetry
    routes: RouteTable
    buffers: BodyBuffers
    heavy: HeavyReads


def add_middleware(
    app: FastAPI, settings: Settings, tokens: TokenCache, telemetry: Telemetry, routes: RouteTable
) -> None:
    """Check every request of the app, log it, and count it; its routes see only requests that have passed."""
    gatekeeping = Gatekeeping(
        settings=settings,
        tokens=tokens,
        telemetry=telemetry,
        routes=routes,
        buffers=BodyBuffers(settings.max_buffered_bytes),
        heavy=HeavyReads(settings.max_heavy_reads),
    )
    # The inner one: shortcuts answer with less than is worth compressing.
    app.add_middleware(Compression)
    app.add_middleware(Gate, gatekeeping=gatekeeping)


class Gate:
    """Lets requests through that have passed every check.

    Args:
        app: Answers them.
        gatekeeping: What they are checked with.
    """

    def __init__(self, app: ASGIApp, gatekeeping: Gatekeeping) -> None:
        self._app = app
        self._gatekeeping = gatekeeping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is none, such as the start of the process, goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.trace_id = trace_id = _trace_id(request)
        get_current_span().set_attribute("cellgate.trace_id", trace_id)
        with structlog.contextvars.bound_contextvars(trace_id=trace_id), self._gatekeeping.buffers.of_request() as room:
            passage = Passage(request, send, self._gatekeeping.telemetry, room)
            try:
                await self._answer(passage)
            finally:
                passage.free()

    async def _answer(self, passage: "Passage") -> None:
        request = passage.request
        try:
            needed = await self._check(request, passage.room)
            passage.turn = await self._gatekeeping.heavy.turn_of(request)
            response = await _shortened(request, needed)
            if response is None:
                await self._app(request.scope, _replaying(request), passage.send)
                return
        # A request ends here, whatever went wrong in it.
        except Exception as error:
            if passage.begun:
                # Its first bytes have gone: only the end of the connection can tell that the rest is missing.
                raise
            response = _problem(request, error)
        await response(request.scope, request.receive, passage.send)

    async def _check(self, request: Request, room: BodyBuffer) -> Needed:
        # The routed path: a URL would include the Host header, which callers choose.
        path, given = str(request.scope["path"]), self._gatekeeping
        if not given.settings.requires_token:
            check_origin(request, given.settings.host)
        needed = given.routes.of_request(request.scope)
        request.state.needed = needed
        if needed.scope is not None:
            principal = await authenticate(request, given.tokens, token_required=given.settings.requires_token)
            request.state.principal = principal
            await check_rights(principal, needed, context_of(request).database)
        streamed = request.method == "PUT" and path.startswith(STREAMED_PREFIX)
        if needed is not UNKNOWN_ROUTE and request.method in WITH_BODY and not streamed:
            await check_body(request, given.settings, room)
        return needed


class Passage:
    """One request on its way through: what it holds until its answer begins, and what is done then.

    Args:
        request: The request.
        send: Takes the messages of the answer.
        telemetry: Counts the answer.
        room: Of its body.
    """

    def __init__(self, request: Request, send: Send, telemetry: Telemetry, room: BodyBuffer) -> None:
        self.request, self.room = request, room
        self.turn = Turn()
        self.begun = False
        self._send = send
        self._telemetry = telemetry
        self._came_at = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on; the first one gets headers, a line in the log, and is counted."""
        if message["type"] == "http.response.start":
            self.begun = True
            # Whoever reads slowly holds nothing that others wait for.
            self.free()
            await self._note(message["status"])
            message["headers"] = _with_security(message.get("headers", ()), self.request.state.trace_id)
        await self._send(message)

    def free(self) -> None:
        """Give back what it holds."""
        self.turn.end()
        self.room.free()

    async def _note(self, status: int) -> None:
        request = self.request
        await context_of(request).refusals.note(request, status)
        took_s = time.perf_counter() - self._came_at
        _log(request, status, took_s=took_s)
        # Long polls are answered late on purpose: their latency is no measure.
        if "wait" not in request.query_params:
            self._telemetry.answered(
                route=getattr(request.scope.get("route"), "path", None),
                method=request.method,
                status=status,
                took_s=took_s,
            )


async def _shortened(request: Request, needed: Needed) -> Response | None:
    if needed.route is None or needed.route.shortcut is None or needed.row_id is None:
        return None
    response = await needed.route.shortcut(request, needed.row_id)
    if response is not None:
        request.scope["route"] = needed.route
    return response


def _problem(request: Request, error: Exception) -> Response:
    match error:
        case ServiceError():
            return refusal(request, error)
        case OperationalError() | NoConnectionFree():
            return database_away(request, error)
        case ClientDisconnect():
            return Response(status_code=HTTPStatus.BAD_REQUEST)
    return unexpected(request, error)


def _replaying(request: Request) -> Receive:
    """Return what the app hears of a request whose body was read here: the body once more, then all that follows."""
    body: bytes | None = getattr(request, "_body", None)

    async def receive() -> Message:
        nonlocal body
        if body is None:
            return await request.receive()
        message = {"type": "http.request", "body": body, "more_body": False}
        body = None
        return message

    return request.receive if body is None else receive


def _with_security(headers: Iterable[tuple[bytes, bytes]], trace_id: str) -> list[tuple[bytes, bytes]]:
    given = list(headers)
    names = {name for name, _ in given}
    missing = [header for header in _RAW_SECURITY_HEADERS if header[0] not in names]
    return [*given, (b"x-request-id", trace_id.encode()), *missing]


def _log(request: Request, status: int, *, took_s: float) -> None:
    # Successful polls are frequent and carry no news.
    quiet = request.method in ("GET", "HEAD") and status < HTTPStatus.BAD_REQUEST
    principal: Principal | None = getattr(request.state, "principal", None)
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        "request",
        method=request.method,
        path=request.scope["path"],
        status=status,
        principal=None if principal is None else principal.name,
        principal_id=None if principal is None else principal.id,
        took_ms=round(1000 * took_s, 2),
    )


def _trace_id(request: Request) -> str:
    if found := TRACEPARENT.match(request.headers.get("traceparent", "")):
        return found.group(1)
    request_id = request.headers.get("X-Request-Id", "")
    if REQUEST_ID.match(request_id):
        return request_id
    traced = get_current_span().get_span_context()
    return f"{traced.trace_id:032x}" if traced.is_valid else uuid.uuid4().hex
