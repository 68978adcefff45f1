"""What an operation can answer, for the OpenAPI document."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from cellgate.contract.api.problem import Problem

MEDIA_TYPE = "application/problem+json"
REF_TEMPLATE = "#/components/schemas/{model}"
EVERYWHERE = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.INSUFFICIENT_STORAGE,
)
EVERY_POST = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return these problems for a route's OpenAPI responses, besides those that every route can give."""
    return {int(status): _documented(status) for status in (*EVERYWHERE, *statuses)}


def accepting(model: type[BaseModel], *statuses: HTTPStatus, queues_runs: bool = False) -> dict[str, Any]:
    """Return the options of a POST route that answers 202 with a `Location`.

    Args:
        model: Of its answer.
        statuses: Problems that it can give besides those of every POST.
        queues_runs: Whether it makes runs, which count towards the caller's quota.
    """
    location = {"description": "URL of the created or changed resource.", "schema": {"type": "string"}}
    accepted = {"description": "Accepted", "headers": {"Location": location}}
    responses = {int(HTTPStatus.ACCEPTED): accepted, **documented(*EVERY_POST, *statuses)}
    if queues_runs:
        too_many = _documented(HTTPStatus.TOO_MANY_REQUESTS)
        too_many["description"] = "The caller would have more queued runs than its quota allows"
        responses[int(HTTPStatus.TOO_MANY_REQUESTS)] = too_many
    return {"status_code": HTTPStatus.ACCEPTED, "response_model": model, "responses": responses}


def _documented(status: HTTPStatus) -> dict[str, Any]:
    if status is HTTPStatus.NOT_MODIFIED:
        return {"description": "The version that the caller holds is current"}
    # A reference instead of a model: of each model FastAPI makes a validator, which were a thousand at each start.
    # `service.api.description` adds what is referred to.
    content = {MEDIA_TYPE: {"schema": {"$ref": REF_TEMPLATE.format(model=Problem.__name__)}}}
    return {"description": status.phrase, "content": content}
