"""The middleware of every request: trace id, token and scope, body checks, security headers, log and metrics.

Source:
    RFC 6750 (bearer tokens); W3C Trace Context (`traceparent`).
"""

import logging
import re
import time
import uuid
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from opentelemetry.trace import get_current_span
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.requests import ClientDisconnect

from service.api.auth import TokenCache, authenticate
from service.api.bodies import check_body
from service.api.buffers import BodyBuffer, BodyBuffers
from service.api.compression import Compression
from service.api.context import context_of
from service.api.csrf import check_origin
from service.api.problems import database_away, refusal, unexpected
from service.api.rights import check_rights
from service.api.scopes import UNKNOWN_ROUTE, ScopeTable
from service.api.turns import HeavyReads, Next
from service.domain.errors import ServiceError
from service.domain.principals import Principal
from service.settings import Settings
from service.telemetry.metrics import Telemetry

# PUT to these routes streams its body itself.
STREAMED_PREFIX = "/v1/uploads/"
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
log = structlog.get_logger(__name__)


def add_middleware(
    app: FastAPI, settings: Settings, tokens: TokenCache, telemetry: Telemetry, scopes: ScopeTable
) -> None:
    """Check every request of the app, log it, and count it.

    Args:
        app: Its routes see only requests that have passed.
        settings: Whether a token is required, and how large a body may be.
        tokens: Knows whom a token belongs to.
        telemetry: Counts the answers.
        scopes: The scope that each request needs.
    """

    # The inner one: the checks pass answers on in pieces, which could not be told from streams.
    app.add_middleware(Compression)
    buffers, heavy = BodyBuffers(settings.max_buffered_bytes), HeavyReads(settings.max_heavy_reads)

    async def check_request(request: Request, go_on: Next) -> Response:
        begun = time.perf_counter()
        request.state.trace_id = _trace_id(request)
        get_current_span().set_attribute("cellgate.trace_id", request.state.trace_id)
        with structlog.contextvars.bound_contextvars(trace_id=request.state.trace_id):
            with buffers.of_request() as buffer:
                response = await _answer(request, heavy.in_turn(go_on), settings, tokens, scopes, buffer)
            await context_of(request).refusals.note(request, response)
            took_s = time.perf_counter() - begun
            _log(request, response, took_s=took_s)
        _count(telemetry, request, response, took_s=took_s)
        response.headers["X-Request-Id"] = request.state.trace_id
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.middleware("http")(check_request)


async def _answer(
    request: Request, go_on: Next, settings: Settings, tokens: TokenCache, scopes: ScopeTable, buffer: BodyBuffer
) -> Response:
    try:
        await _check(request, settings, tokens, scopes, buffer)
        return await go_on(request)
    except ServiceError as error:
        return refusal(request, error)
    except (OperationalError, NoConnectionFree) as error:
        return database_away(request, error)
    except ClientDisconnect:
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    except Exception as error:  # noqa: BLE001 - a request ends here, whatever went wrong in it
        return unexpected(request, error)


def _log(request: Request, response: Response, *, took_s: float) -> None:
    # Successful polls are frequent and carry no news.
    principal: Principal | None = getattr(request.state, "principal", None)
    quiet = request.method in ("GET", "HEAD") and response.status_code < HTTPStatus.BAD_REQUEST
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        "request",
        method=request.method,
        path=request.url.path,
        status=response.status_code,
        principal=None if principal is None else principal.name,
        principal_id=None if principal is None else principal.id,
        took_ms=round(1000 * took_s, 2),
    )


def _count(telemetry: Telemetry, request: Request, response: Response, *, took_s: float) -> None:
    # Long polls are answered late on purpose: their latency is no measure.
    if "wait" not in request.query_params:
        route = getattr(request.scope.get("route"), "path", None)
        telemetry.answered(route=route, method=request.method, status=response.status_code, took_s=took_s)


def _trace_id(request: Request) -> str:
    if found := TRACEPARENT.match(request.headers.get("traceparent", "")):
        return found.group(1)
    request_id = request.headers.get("X-Request-Id", "")
    if REQUEST_ID.match(request_id):
        return request_id
    traced = get_current_span().get_span_context()
    return f"{traced.trace_id:032x}" if traced.is_valid else uuid.uuid4().hex


async def _check(
    request: Request, settings: Settings, tokens: TokenCache, scopes: ScopeTable, buffer: BodyBuffer
) -> None:
    # The routed path: a URL would include the Host header, which callers choose.
    path = str(request.scope["path"])
    if not settings.requires_token:
        check_origin(request, settings.host)
    needed = scopes.of_request(request.scope)
    request.state.needed = needed
    if needed.scope is not None:
        principal = await authenticate(request, tokens, token_required=settings.requires_token)
        request.state.principal = principal
        await check_rights(principal, needed, context_of(request).database)
    streamed = request.method == "PUT" and path.startswith(STREAMED_PREFIX)
    if needed is not UNKNOWN_ROUTE and request.method in ("POST", "PUT", "PATCH") and not streamed:
        await check_body(request, settings, buffer)
