"""The OpenAPI document says what the API does."""

import json
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from service.api.examples import DATASETS, EXPERIMENTS, JOBS
from service.api.problems import MEDIA_TYPE, STATUS
from service.api.routes import cells, datasets, experiments, health, jobs, preflights, runs, uploads
from service.api.schemas import DatasetCreate, ExperimentCreate, JobCreate
from service.settings import Settings
from tests.asked import Api, asked

EXAMPLES = {"/v1/datasets": DATASETS, "/v1/experiments": EXPERIMENTS, "/v1/jobs": JOBS}
HEALTH = {"/livez", "/readyz"}


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    """GET /openapi.json."""
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
    posts = [operation for method, _, operation in operations(document) if method == "post"]

    for operation in posts:
        assert {"202", "400", "401", "409", "413", "415", "422", "500", "503"} <= set(operation["responses"])
        assert "Location" in operation["responses"]["202"]["headers"]
    submissions = [path for _, path, operation in operations(document) if "429" in operation["responses"]]
    assert sorted(submissions) == [
        "/v1/datasets",
        "/v1/experiments",
        "/v1/jobs",
        "/v1/jobs/{job_id}/retry",
        "/v1/preflights",
        "/v1/runs/{run_id}/retry",
    ]
    documented = {int(status) for _, _, operation in operations(document) for status in operation["responses"]}
    assert {int(status) for status in STATUS.values()} <= documented


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


def test_a_token_is_asked_for_everywhere_but_at_the_probes(settings: Settings) -> None:
    token = "correct-horse-battery-staple"
    with asked(Settings.model_validate({"data_dir": settings.data_dir, "token": token})) as api:
        document = api.client.get("/openapi.json", headers={"Authorization": f"Bearer {token}"}).json()

    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    for _, path, operation in operations(document):
        assert operation.get("security") == (None if path in HEALTH else [{"token": []}])


def test_no_route_is_left_out(document: dict[str, Any]) -> None:
    routes = {
        (method.lower(), route.path)
        for module in (cells, datasets, experiments, health, jobs, preflights, runs, uploads)
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }

    assert {(method, path) for method, path, _ in operations(document)} == routes
