"""The OpenAPI document: problems, tokens and names that FastAPI cannot derive from the routes."""

import threading
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from cellgate.contract.api.problem import Problem
from cellgate.contract.api.tokens import Scope
from service.api.responses import MEDIA_TYPE, REF_TEMPLATE
from service.api.route_table import RouteTable
from service.api.scopes import ScopedRouter

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


class Document:
    """The OpenAPI document of an app: made by the first who asks while the others wait, and kept as it is sent.

    Making it takes seconds, and writing it as JSON tens of milliseconds in which no other thread runs.

    Args:
        app: Its title and version.
        table: Its routes, and the scope that each operation needs.
        token_required: Whether the document requires a token.
    """

    def __init__(self, app: FastAPI, table: RouteTable, *, token_required: bool) -> None:
        self._app = app
        self._table = table
        self._token_required = token_required
        self._making = threading.Lock()
        self._schema: dict[str, Any] | None = None
        self._content: bytes | None = None

    def schema(self) -> dict[str, Any]:
        """Return the document."""
        with self._making:
            return self._made()

    def content(self) -> bytes:
        """Return the document as JSON."""
        with self._making:
            if self._content is None:
                self._content = bytes(JSONResponse(self._made()).body)
            return self._content

    def _made(self) -> dict[str, Any]:
        if self._schema is None:
            app = self._app
            schema = get_openapi(
                title=app.title, version=app.version, description=ABOUT, routes=self._table.routes, tags=TAGS
            )
            for operation in _operations(schema):
                _correct_media_types(operation["responses"])
            _drop_discriminators(schema["paths"])
            _add_problem(schema.setdefault("components", {}))
            if self._token_required:
                _ask_for_token(schema, self._table)
            self._schema = schema
        return self._schema


@router.get("/openapi.json", Scope.READ, include_in_schema=False)
def read_openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    document: Document = request.app.state.document
    return Response(document.content(), media_type=JSONResponse.media_type)


def describe_api(app: FastAPI, table: RouteTable, *, token_required: bool) -> None:
    """Let the app return its whole contract as its OpenAPI document.

    Args:
        app: The app.
        table: Its routes, and the scope that each operation needs.
        token_required: Whether the document requires a token.
    """
    document = Document(app, table, token_required=token_required)
    app.openapi = document.schema  # type: ignore[method-assign]  # FastAPI's own way to extend it
    app.state.document = document


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


def _add_problem(components: dict[str, Any]) -> None:
    problem = Problem.model_json_schema(ref_template=REF_TEMPLATE, mode="serialization")
    schemas = {**components.get("schemas", {}), **problem.pop("$defs", {}), Problem.__name__: problem}
    components["schemas"] = dict(sorted(schemas.items()))


def _drop_discriminators(node: Any) -> None:
    # A discriminator must be a string, and ours is a cell's number: each member's `const` states it as well.
    if isinstance(node, dict):
        node.pop("discriminator", None)
        for value in node.values():
            _drop_discriminators(value)
    elif isinstance(node, list):
        for value in node:
            _drop_discriminators(value)


def _ask_for_token(schema: dict[str, Any], table: RouteTable) -> None:
    schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": TOKEN}}
    for operation in _operations(schema):
        scope = table.of_operation(operation["operationId"])
        if scope is not None:
            operation["security"] = [{"token": [scope.value]}]
