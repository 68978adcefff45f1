"""Errors over HTTP: RFC 9457 problem documents with a stable code, every mistake at once, and one table of statuses.

Source:
    RFC 9457 (problem details), RFC 6901 (JSON pointers).
"""

from collections.abc import Sequence
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
from cellgate.contract.broken_rules import BROKEN_RULE, told_apart
from cellgate.contract.storage import is_disk_full
from service.api.bodies import BodyTooLarge, NoUtf8, UnsupportedMediaType
from service.api.connection_errors import (
    HeadersTooLarge,
    MalformedRequest,
    QueryTimeout,
    RequestTimeout,
    ServerBusy,
    TooManyConnections,
)
from service.api.ranges import RangeNotSatisfiable
from service.api.responses import MEDIA_TYPE
from service.api.validation import mistakes_of, shortened, summary_of, undone
from service.domain.errors import (
    ArtifactMissing,
    Conflict,
    ForeignCaller,
    GateNotPassed,
    IdempotencyMismatch,
    InvalidSpec,
    MissingScope,
    Mistake,
    NotFound,
    NotOwner,
    PreconditionFailed,
    PriorityNotAllowed,
    QuotaExceeded,
    ServiceError,
    StorageFull,
    TooManyAttempts,
    Unauthorized,
)
from service.store.database_faults import DatabaseDamaged, DatabaseFull
from service.store.database_outages import describe_outage
from service.store.statement_limits import took_too_long

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
RETRY_AFTER_S = 2
# Of one text of a problem: a caller may send names and values of any length, and gets them back.
MOST_CHARACTERS = 1000
QUOTA_RETRY_AFTER_S = 30
# A person has to see to it first.
FAULT_RETRY_AFTER_S = 60
log = structlog.get_logger(__name__)


class DecisionPending(NotFound):
    """No decision has been taken yet."""

    code = "decision_pending"


class EvidencePending(NotFound):
    """Cell 54 has not weighed anything yet."""

    code = "evidence_pending"


class NoRangeTest(NotFound):
    """The run has no curve of an LR range test."""

    code = "no_range_test"


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
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    MissingScope: HTTPStatus.FORBIDDEN,
    NotOwner: HTTPStatus.FORBIDDEN,
    PriorityNotAllowed: HTTPStatus.FORBIDDEN,
    ForeignCaller: HTTPStatus.FORBIDDEN,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RangeNotSatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    ArtifactMissing: HTTPStatus.GONE,
    NoUtf8: HTTPStatus.BAD_REQUEST,
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    HeadersTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    TooManyConnections: HTTPStatus.SERVICE_UNAVAILABLE,
    ServerBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    QueryTimeout: HTTPStatus.SERVICE_UNAVAILABLE,
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
    mistakes: Sequence[Mistake] = (),
    left_out: int = 0,
    extra: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return a problem document as a response.

    Args:
        request: Its trace id goes into the document.
        status: HTTP status, 400 to 599; its phrase is the title.
        code: The stable, machine-readable code; docs/reference/errors.md lists all.
        detail: What was found, what was expected and what to do.
        mistakes: Each with the JSON pointer of the wrong field; only the first ones are listed.
        left_out: How many there are besides these.
        extra: Further members of the document.
        headers: Further headers, such as `Retry-After`.
    """
    listed = mistakes[: most_mistakes(request)]
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=int(status),
        code=code,
        detail=shortened(detail, MOST_CHARACTERS),
        errors=[_shown(mistake) for mistake in listed],
        errors_left_out=len(mistakes) - len(listed) + left_out,
        trace_id=getattr(request.state, "trace_id", ""),
    )
    content = problem.model_dump(mode="json") | (extra or {})
    return JSONResponse(content, status_code=int(status), media_type=MEDIA_TYPE, headers=headers)


def most_mistakes(request: Request) -> int:
    """Return how many mistakes a problem lists."""
    most: int = request.app.state.context.settings.max_mistakes
    return most


def _shown(mistake: Mistake) -> MistakeAnswer:
    """Return a mistake whose text is short, whatever was sent."""
    return MistakeAnswer(
        pointer=shortened(mistake.pointer, MOST_CHARACTERS), detail=shortened(mistake.detail, MOST_CHARACTERS)
    )


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
        case TooManyAttempts():
            return {"Retry-After": str(error.extra["retry_after_s"])}
        case ServerBusy() | QueryTimeout():
            return {"Retry-After": str(RETRY_AFTER_S)}
    return None


async def _on_service_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        raise error
    return refusal(request, error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = told_apart(error.errors())
    mistakes = mistakes_of(found[: most_mistakes(request)], body=_body_of(request))
    kinds = {one["type"] for one in found}
    malformed = "json_invalid" in kinds
    # Fields that are valid each, but not together, get the code of a valid spec whose parts do not exist.
    code = InvalidSpec.code if kinds <= {"value_error", BROKEN_RULE} else "invalid_request"
    return problem_response(
        request,
        status=HTTPStatus.BAD_REQUEST if malformed else HTTPStatus.UNPROCESSABLE_ENTITY,
        code="malformed_json" if malformed else code,
        detail="the body is not JSON" if malformed else summary_of(len(found), method=request.method),
        mistakes=mistakes,
        left_out=len(found) - len(mistakes),
    )


def _body_of(request: Request) -> Any:
    """Return the type of the body that the route takes; None where it takes none."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else field.field_info.annotation


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
    """Return a 503 for a database that did not do as asked, or not in time, a 507 for one without room, and log why."""
    if isinstance(error, DatabaseFull | DatabaseDamaged):
        return _database_fault(request, error)
    if isinstance(error, OperationalError) and took_too_long(error):
        log.error("query_timeout", path=request.url.path, error=str(error))
        return refusal(request, QueryTimeout("the database took too long over this request; ask for less, or later"))
    log.error("database_unavailable", error=str(error))
    return problem_response(
        request,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code="database_unavailable",
        detail=describe_outage(error),
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _database_fault(request: Request, error: DatabaseFull | DatabaseDamaged) -> JSONResponse:
    is_full = isinstance(error, DatabaseFull)
    log.error("database_full" if is_full else "database_damaged", error=str(error))
    return problem_response(
        request,
        status=HTTPStatus.INSUFFICIENT_STORAGE if is_full else HTTPStatus.SERVICE_UNAVAILABLE,
        code=StorageFull.code if is_full else "database_damaged",
        detail=f"{error.advice}{undone(request.method)}",
        headers={"Retry-After": str(FAULT_RETRY_AFTER_S)},
    )


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Return a 500 that names the log entry, or a 507 where the disk was full, and log the traceback."""
    if is_disk_full(error):
        log.error("storage_full", path=request.url.path, error=str(error))
        detail = "the service's disk has no room left; make room in its data folder, then send it again"
        return refusal(request, StorageFull(detail))
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return problem_response(
        request,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail="the service failed on this request; its log has more under this trace_id",
    )
