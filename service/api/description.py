"""The OpenAPI document: problems, tokens and names that FastAPI cannot derive from the routes."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from cellgate.contract.api.tokens import Scope
from service.api.responses import MEDIA_TYPE
from service.api.scopes import ScopedRouter, ScopeTable

ABOUT = """Training jobs for source-code vulnerability detectors: text, graph, fusion, and a decision between them.

Work is accepted with 202 and a `Location`; poll that with `If-None-Match`, after the seconds in `Retry-After`.
Every POST may carry an `Idempotency-Key`, but for one that makes a token. Every error is a problem
document with a stable `code`."""
TOKEN = """From `cellgate token new` or `POST /v1/tokens`. Its scope is `read`, `submit`, which includes `read`, or
`admin`, which includes both; every operation names the one it needs."""
TAGS = [
    {"name": "datasets", "description": "Immutable, hashed, split sets of labelled functions."},
    {"name": "experiments", "description": "The whole pipeline: 51 and 52 over seeds, gate, decision, perhaps 53."},
    {"name": "jobs", "description": "One cell with one config; one run per seed."},
    {"name": "runs", "description": "One seed of a job: progress, curves, events, output."},
    {"name": "cells and workers", "description": "The cells with their defaults, and the workers."},
    {"name": "operations", "description": "Queue depths, usage and Prometheus metrics."},
    {"name": "bundles", "description": "Packed models, and the scores that they give."},
    {"name": "tokens", "description": "Create, list and revoke tokens."},
    {"name": "webhooks", "description": "Subscribe to events of runs and experiments."},
    {"name": "health", "description": "For load balancers and supervisors; needs no token."},
]

router = ScopedRouter()


def operation_id(route: APIRoute) -> str:
    """Return the name that generated clients give the operation."""
    return route.name


@router.get("/openapi.json", Scope.READ, include_in_schema=False)
def read_openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


def describe_api(app: FastAPI, scopes: ScopeTable, *, token_required: bool) -> None:
    """Let `app.openapi()` return the whole contract.

    Args:
        app: Has every route.
        scopes: The scope that each operation needs.
        token_required: Whether the document requires a token.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes, tags=TAGS)
            for operation in _operations(schema):
                _correct_media_types(operation["responses"])
            _drop_discriminators(schema["paths"])
            if token_required:
                _ask_for_token(schema, scopes)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in schema["paths"].values() for operation in methods.values()]


def _correct_media_types(responses: dict[str, Any]) -> None:
    # FastAPI lists a response's model under the route's own media type too, where no problem ever comes.
    for response in responses.values():
        content = response.get("content", {})
        if MEDIA_TYPE in content:
            response["content"] = {MEDIA_TYPE: content[MEDIA_TYPE]}
        for shown in content.values():
            # OpenAPI 3.2; the document is 3.1.
            shown.pop("itemSchema", None)


def _drop_discriminators(node: Any) -> None:
    # A discriminator must be a string, and ours is a cell's number: each member's `const` states it as well.
    if isinstance(node, dict):
        node.pop("discriminator", None)
        for value in node.values():
            _drop_discriminators(value)
    elif isinstance(node, list):
        for value in node:
            _drop_discriminators(value)


def _ask_for_token(schema: dict[str, Any], scopes: ScopeTable) -> None:
    schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": TOKEN}}
    for operation in _operations(schema):
        scope = scopes.of_operation(operation["operationId"])
        if scope is not None:
            operation["security"] = [{"token": [scope.value]}]
