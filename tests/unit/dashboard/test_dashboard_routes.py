from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.route_table import RouteTable
from service.dashboard.routes import dashboard_routes


def built(folder: Path) -> Path:
    """What a build leaves: a page, and files whose names carry a hash."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>Cellgate</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-1a2b.js").write_text("1")
    return folder


def client_of(static: Path) -> TestClient:
    app = FastAPI()
    RouteTable([dashboard_routes(static)]).include_in(app)
    return TestClient(app)


def test_without_a_build_the_page_says_how_to_build_it(tmp_path: Path) -> None:
    answer = client_of(tmp_path / "static").get("/")
    assert answer.status_code == 200
    assert "make dashboard" in answer.text


def test_the_page_is_requested_each_time_but_hashed_files_are_kept(tmp_path: Path) -> None:
    client = client_of(built(tmp_path / "static"))
    assert client.get("/").headers["Cache-Control"] == "no-cache"
    assert "<title>Cellgate</title>" in client.get("/").text
    assert "immutable" in client.get("/static/assets/index-1a2b.js").headers["Cache-Control"]
    assert client.get("/static/favicon.svg").headers["Cache-Control"] == "no-cache"


def test_nothing_outside_the_build_is_served(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    client = client_of(built(tmp_path / "static"))
    assert client.get("/static/..%2fsecret").status_code == 404
    assert client.get("/static/missing.js").status_code == 404
