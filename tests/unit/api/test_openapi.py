"""The OpenAPI document matches the API."""

import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from cellgate.contract.api.datasets import DatasetCreate
from cellgate.contract.api.experiments import ExperimentCreate
from cellgate.contract.api.jobs import JobCreate
from cellgate.contract.api.problem import Problem
from service.api import description, routes
from service.api.examples import DATASETS, EXPERIMENTS, JOBS
from service.api.problems import STATUS
from service.api.responses import MEDIA_TYPE
from service.api.route_table import RouteTable
from service.api.scopes import OPEN
from service.dashboard.routes import dashboard_routes
from service.settings import Settings
from tests.api_client import Api, running_api

EXAMPLES = {"/v1/datasets": DATASETS, "/v1/experiments": EXPERIMENTS, "/v1/jobs": JOBS}
FOR_ADMINS = ("/v1/audit", "/v1/tokens", "/v1/webhooks")
RULED = {"gate", "decision", "workers", "prune"}
HEALTH = {"/livez", "/readyz"}
SESSION = "/v1/session"


@pytest.fixture(scope="module")
def document(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """GET /openapi.json."""
    folder = tmp_path_factory.mktemp("described")
    shutil.copy(sqlite_template, folder / "cellgate.db")
    with running_api(Settings(data_dir=folder)) as api:
        found: dict[str, Any] = api.client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_has_a_name_of_its_own_a_summary_and_a_description(document: dict[str, Any]) -> None:
    found = operations(document)

    names = [operation["operationId"] for _, _, operation in found]
    assert len(names) == len(set(names))
    assert {"submit_experiment", "read_gate", "cancel_experiment", "pause_job", "resume_run", "retry_job"} < set(names)
    assert all(operation["summary"] and operation["description"] for _, _, operation in found)
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for _, _, operation in found for tag in operation["tags"]} == tags


def test_every_problem_is_documented_as_one(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and path not in HEALTH:
                assert list(response["content"]) == [MEDIA_TYPE], (method, path, status)


def test_every_status_that_an_error_can_have_is_documented(document: dict[str, Any]) -> None:
    found = [(method, path, set(operation["responses"])) for method, path, operation in operations(document)]
    anywhere = {"401", "403", "422", "429", "500", "503"}

    for method, path, statuses in found:
        assert path in HEALTH or anywhere <= statuses, (method, path)
        if method == "post":
            assert {"400", "409", "413", "415"} <= statuses, path
    documented = {int(status) for _, _, statuses in found for status in statuses}
    assert {int(status) for status in STATUS.values()} <= documented


def test_what_a_post_made_or_began_can_be_found(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if method == "post":
            done = operation["responses"]["201" if path in (*FOR_ADMINS, SESSION) else "202"]
            assert "Location" in done["headers"], path


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def references(value: Any) -> set[str]:
        match value:
            case {"$ref": str(target)}:
                return {target}
            case dict():
                return set().union(*map(references, value.values()))
            case list():
                return set().union(*map(references, value))
        return set()

    targets = references(document)
    assert {f"#/components/schemas/{name}" for name in schemas} >= targets
    assert "#/components/schemas/Problem" in targets


def test_two_models_never_share_a_name(document: dict[str, Any]) -> None:
    # FastAPI would tell them apart by their modules, in names that generators of clients turn into one.
    assert [name for name in document["components"]["schemas"] if "__" in name] == []


def test_paths_differ_in_more_than_a_parameters_name(document: dict[str, Any]) -> None:
    templates = [re.sub(r"{[^}]*}", "{}", path) for path in document["paths"]]

    assert sorted(templates) == sorted(set(templates))


@pytest.mark.parametrize("path", EXAMPLES)
def test_every_body_comes_with_examples_that_are_in_order(document: dict[str, Any], path: str) -> None:
    bodies: dict[str, TypeAdapter[BaseModel]] = {
        "/v1/datasets": TypeAdapter(DatasetCreate),
        "/v1/experiments": TypeAdapter(ExperimentCreate),
        "/v1/jobs": TypeAdapter(JobCreate),
    }

    shown = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]

    assert set(shown) == set(EXAMPLES[path])
    for example in shown.values():
        bodies[path].validate_json(json.dumps(example["value"]))


def test_the_document_is_made_once_however_many_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make_slowly(**_: Any) -> dict[str, Any]:
        made.append("document")
        time.sleep(0.05)
        return {"paths": {}}

    monkeypatch.setattr(description, "get_openapi", make_slowly)
    asked = description.Document(FastAPI(), RouteTable([]), token_required=False)
    with ThreadPoolExecutor(8) as callers:
        contents = list(callers.map(lambda _: asked.content(), range(8)))

    assert made == ["document"]
    assert len({id(content) for content in contents}) == 1


def test_a_token_is_required_everywhere_but_at_the_probes(settings: Settings) -> None:
    token = "correct-horse-battery-staple-and-cart"
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": token})) as api:
        document = api.client.get("/openapi.json", headers={"Authorization": f"Bearer {token}"}).json()

    [(name, scheme)] = document["components"]["securitySchemes"].items()
    assert (name, scheme["type"], scheme["scheme"]) == ("token", "http", "bearer")
    for method, path, operation in operations(document):
        scope = "admin" if path.startswith(FOR_ADMINS) else "read" if method == "get" else "submit"
        if method != "get" and any(part in RULED for part in path.split("/")):
            scope = "admin"
        assert operation.get("security") == (None if path in {*HEALTH, SESSION} else [{"token": [scope]}]), path


def test_no_route_is_left_out(document: dict[str, Any]) -> None:
    modules = [import_module(f"{routes.__name__}.{found.name}") for found in iter_modules(routes.__path__)]
    expected = {route.name for module in modules for route in module.router.routes if isinstance(route, APIRoute)}

    assert {operation["operationId"] for _, _, operation in operations(document)} == expected


def test_every_route_of_the_app_declares_its_scope(api: Api) -> None:
    app = api.client.app
    assert isinstance(app, FastAPI)
    declared = [import_module(f"{routes.__name__}.{found.name}").router for found in iter_modules(routes.__path__)]
    declared += [description.router, dashboard_routes()]

    # What the app holds besides the table would be a route that bypassed the declaration.
    [table] = app.router.routes
    assert isinstance(table, RouteTable)
    assert {route.name for route in table.routes} == {name for router in declared for name in router.scopes}


def test_only_probes_the_dashboard_and_its_sign_in_are_open() -> None:
    modules = [import_module(f"{routes.__name__}.{found.name}") for found in iter_modules(routes.__path__)]
    routers = [*(module.router for module in modules), dashboard_routes()]

    open_routes = {name for router in routers for name, scope in router.scopes.items() if scope is OPEN}

    assert open_routes == {"live", "ready", "page", "reference", "built_file", "sign_in", "sign_out"}


def test_a_foreign_problem_document_can_be_read_and_ours_is_documented_whole(api: Api) -> None:
    shown = api.client.get("/openapi.json").json()["components"]["schemas"]["Problem"]

    foreign = Problem.model_validate({"status": 502, "title": "Bad Gateway"})

    assert (foreign.code, foreign.detail, foreign.errors) == ("unknown", "", [])
    assert shown["required"] == ["title", "status", "code", "detail", "trace_id"]
