"""The table of routes: the start of a path only leaves out routes that could not match it."""

from itertools import product

import pytest
from starlette.routing import Match

from service.api import description
from service.api.problems import METHODS
from service.api.route_table import FOUND, RouteTable
from service.app import RESOURCES
from service.dashboard.routes import dashboard_routes

ROUTERS = [*(resource.router for resource in RESOURCES), description.router, dashboard_routes()]
ID = "run_" + "0" * 26
ODD_PATHS = [
    "/", "", "//", "/v1", "/v1/", "/v1/runs/", "/v1//runs", "/v1/runs//status", "/static", "/static/", "/static/a/b.js",
    f"/v1/runs/{ID}/artifacts/a/b/c", "/v1/nothing", "/V1/runs", "/v1/runs/a%2Fb", "/v1/runs/\x00", "v1/runs",
]  # fmt: skip


def scope(path: str, method: str) -> dict[str, object]:
    """A request."""
    return {"type": "http", "path": path, "method": method, "root_path": "", "headers": [], "query_string": b""}


def every_path() -> list[str]:
    """A path of each route, and odd ones."""
    paths = {route.path for router in ROUTERS for route in router.declared}
    return sorted({"/".join(ID if "{" in part else part for part in path.split("/")) for path in paths}) + ODD_PATHS


def test_the_table_finds_the_route_that_comes_first_among_all() -> None:
    table = RouteTable(ROUTERS)
    for path, method in product(every_path(), METHODS):
        asked = scope(path, method)
        # FastAPI's own matching, route after route.
        expected = next((route.name for route in table.routes if route.matches(dict(asked))[0] is Match.FULL), "none")

        assert table.of_request(asked).operation == expected, (method, path)


def test_a_request_is_matched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, asked = RouteTable(ROUTERS), scope(f"/v1/runs/{ID}/status", "GET")
    table.of_request(asked)
    monkeypatch.setattr(table, "_find", None)

    match, child = table.matches(asked)

    assert (match, child["route"].name, child["path_params"]) == (Match.FULL, "read_run_status", {"run_id": ID})


def test_what_was_found_for_one_path_is_not_taken_for_another() -> None:
    table, asked = RouteTable(ROUTERS), scope("/v1/runs/", "GET")
    table.of_request(asked)
    assert table.matches({**asked, "path": "/v1/runs"})[0] is Match.FULL
    assert asked[FOUND] is None


def test_routes_are_made_when_they_are_asked_for() -> None:
    table = RouteTable([dashboard_routes()])
    table.of_request(scope("/", "GET"))
    assert not [route for route in table._declared if "made" in vars(route)]
    table.matches(scope("/", "GET"))
    assert [route.name for route in table._declared if "made" in vars(route)] == ["page"]
