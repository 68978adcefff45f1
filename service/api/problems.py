"""Errors over HTTP: RFC 9457 problem documents with a stable code, every mistake at once, and one table of statuses.

Source:
    RFC 9457 (problem details), RFC 6901 (JSON pointers).
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.routing import Match

from cellgate.contract.api.problem import MistakeAnswer, Problem
from service.api.bodies import BodyTooLarge, UnsupportedMediaType
from service.api.ranges import RangeNotSatisfiable
from service.api.responses import MEDIA_TYPE
from service.api.uploads import StorageFull
from service.api.validation import mistakes_of, summary_of
from service.domain.errors import (
    Conflict,
    ForeignCaller,
    GateNotPassed,
    IdempotencyMismatch,
    InvalidSpec,
    MissingScope,
    Mistake,
    NotFound,
    NotOwner,
    PriorityNotAllowed,
    QuotaExceeded,
    ServiceError,
    Unauthorized,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
RETRY_AFTER_S = 2
QUOTA_RETRY_AFTER_S = 30
log = structlog.get_logger(__name__)


class DecisionPending(NotFound):
    """No decision has been taken yet."""

    code = "decision_pending"


class EvidencePending(NotFound):
    """Cell 54 has not weighed anything yet."""

    code = "evidence_pending"


class ReportLost(NotFound):
    """The report that a run of cell 54 has left is not there as it was."""

    code = "report_lost"


# The only place where an error gets a status; the nearest ancestor that is listed counts.
STATUS: dict[type[ServiceError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    InvalidSpec: HTTPStatus.UNPROCESSABLE_ENTITY,
    Conflict: HTTPStatus.CONFLICT,
    GateNotPassed: HTTPStatus.CONFLICT,
    IdempotencyMismatch: HTTPStatus.CONFLICT,
    QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    MissingScope: HTTPStatus.FORBIDDEN,
    NotOwner: HTTPStatus.FORBIDDEN,
    PriorityNotAllowed: HTTPStatus.FORBIDDEN,
    ForeignCaller: HTTPStatus.FORBIDDEN,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RangeNotSatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
}

# What the framework refuses before a route is reached.
HTTP_CODES = {400: "malformed_json", 404: "not_found", 405: "method_not_allowed"}
HTTP_DETAILS = {
    # The JSON reader gave up without a position.
    400: "the body cannot be read as JSON: it is not UTF-8, nested too deep, or has a number too long",
    404: "there is nothing at {path}; GET /openapi.json lists every route",
    405: "{method} is not possible at {path}",
}


def status_of(error: ServiceError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    detail: str,
    mistakes: Iterable[Mistake] = (),
    extra: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return a problem document as a response.

    Args:
        request: Its trace id goes into the document.
        status: HTTP status, 400 to 599; its phrase is the title.
        code: The stable, machine-readable code; docs/reference/errors.md lists all.
        detail: What was found, what was expected and what to do.
        mistakes: Each with the JSON pointer of the wrong field.
        extra: Further members of the document.
        headers: Further headers, such as `Retry-After`.
    """
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=int(status),
        code=code,
        detail=detail,
        errors=[MistakeAnswer(pointer=mistake.pointer, detail=mistake.detail) for mistake in mistakes],
        trace_id=getattr(request.state, "trace_id", ""),
    )
    content = problem.model_dump(mode="json") | (extra or {})
    return JSONResponse(content, status_code=int(status), media_type=MEDIA_TYPE, headers=headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Let every error of the app leave it as a problem document."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(OperationalError, _on_database_away)
    app.add_exception_handler(NoConnectionFree, _on_database_away)


def refusal(request: Request, error: ServiceError) -> JSONResponse:
    """Return an error of ours as a problem document."""
    request.state.refused_with = error.code
    return problem_response(
        request,
        status=status_of(error),
        code=error.code,
        detail=error.detail,
        mistakes=error.mistakes,
        extra=error.extra,
        headers=_headers_of(error),
    )


def _headers_of(error: ServiceError) -> dict[str, str] | None:
    match error:
        case Unauthorized():
            return {"WWW-Authenticate": "Bearer"}
        case MissingScope():
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.extra["scope"]}"'}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.size}"}
        case QuotaExceeded():
            return {"Retry-After": str(QUOTA_RETRY_AFTER_S)}
    return None


async def _on_service_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        raise error
    return refusal(request, error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    mistakes = mistakes_of(error.errors())
    kinds = {found["type"] for found in error.errors()}
    malformed = "json_invalid" in kinds
    # Fields that are valid each, but not together, get the code of a valid spec whose parts do not exist.
    code = InvalidSpec.code if kinds == {"value_error"} else "invalid_request"
    return problem_response(
        request,
        status=HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY,
        code="malformed_json" if malformed else code,
        detail="the body is not JSON" if malformed else summary_of(mistakes),
        mistakes=mistakes,
    )


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    detail = HTTP_DETAILS.get(error.status_code, "{detail}").format(
        method=request.method, path=request.url.path, detail=error.detail
    )
    malformed = error.status_code == HTTPStatus.BAD_REQUEST
    return problem_response(
        request,
        status=error.status_code,
        code=HTTP_CODES.get(error.status_code, "http_error"),
        detail=detail,
        mistakes=[Mistake(pointer="", detail=detail)] if malformed else [],
        headers={**(error.headers or {}), **_allowed(request, error.status_code)},
    )


def _allowed(request: Request, status: int) -> dict[str, str]:
    """Return all methods of the requested path: the router knows those of the first route at that path alone."""
    if status != HTTPStatus.METHOD_NOT_ALLOWED:
        return {}
    routes = request.app.router.routes
    scopes = [{**request.scope, "method": method} for method in METHODS]
    there_are = [scope["method"] for scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)]
    return {"Allow": ", ".join(there_are)}


async def _on_database_away(request: Request, error: Exception) -> JSONResponse:
    return database_away(request, error)


def database_away(request: Request, error: Exception) -> JSONResponse:
    """Return a 503 for a database that did not answer, and log why."""
    log.error("database_not_reached", error=str(error))
    return problem_response(
        request,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code="database_unavailable",
        detail="the database cannot be reached just now; try again",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Return a 500 that names the log entry, and log the traceback."""
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(
        request,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail="the service failed on this request; its log has more under this trace_id",
    )
