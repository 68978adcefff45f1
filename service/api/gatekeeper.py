"""What every request passes before a route sees it: a trace id, a size limit, a token, headers that keep browsers safe.

Source:
    RFC 6750 (bearer tokens); W3C Trace Context (`traceparent`).
"""

import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response

from service.api.problems import BodyTooLarge, UnsupportedMediaType, problem_response, status_of
from service.domain.errors import ServiceError, Unauthorized
from service.settings import Settings

# What a load balancer asks, and the pages that ask for the token: nothing else is open.
OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/favicon.svg"})
OPEN_PREFIX = "/static/"
TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")
REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
Next = Callable[[Request], Awaitable[Response]]
log = structlog.get_logger(__name__)


def add_gatekeeper(app: FastAPI, settings: Settings) -> None:
    """Check every request of the app, and log it."""

    async def gatekeeper(request: Request, go_on: Next) -> Response:
        begun = time.perf_counter()
        request.state.trace_id = _trace_id(request)
        structlog.contextvars.bind_contextvars(trace_id=request.state.trace_id)
        try:
            await _check(request, settings)
            response = await go_on(request)
        except ServiceError as error:
            headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
            response = problem_response(
                request,
                status=status_of(error),
                code=error.code,
                detail=error.detail,
                mistakes=error.mistakes,
                headers=headers,
            )
        response.headers["X-Request-Id"] = request.state.trace_id
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        log.debug(
            "request",
            method=request.method,
            path=request.url.path,
            status=response.status_code,
            took_ms=round(1000 * (time.perf_counter() - begun), 2),
        )
        structlog.contextvars.unbind_contextvars("trace_id")
        return response

    app.middleware("http")(gatekeeper)


def _trace_id(request: Request) -> str:
    if found := TRACEPARENT.match(request.headers.get("traceparent", "")):
        return found.group(1)
    asked = request.headers.get("X-Request-Id", "")
    return asked if REQUEST_ID.match(asked) else uuid.uuid4().hex


async def _check(request: Request, settings: Settings) -> None:
    path = request.url.path
    if settings.token is not None and path not in OPEN_PATHS and not path.startswith(OPEN_PREFIX):
        _check_token(request, settings.token.get_secret_value())
    if request.method in ("POST", "PUT", "PATCH"):
        await _check_body(request, settings.max_body_bytes)


def _check_token(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # Compared in constant time, as bytes: a header may hold anything.
    if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), token.encode()):
        raise Unauthorized("send the service's token: `Authorization: Bearer …`")


async def _check_body(request: Request, limit: int) -> None:
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"the body has more than {limit} bytes, the most that is read; send less")
        chunks.append(chunk)
    body = b"".join(chunks)
    # Starlette reads a body once; this is where it keeps one that was read.
    request._body = body
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise UnsupportedMediaType(f"found Content-Type {media_type or 'none'!r}, expected application/json")
