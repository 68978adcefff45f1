import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.route_table import RouteTable
from service.dashboard.routes import dashboard_routes

SCRIPT = "1 + 1;" * 1000
ASSET = "/static/assets/index-1a2b.js"


def built(folder: Path) -> Path:
    """What a build leaves: a page, and files whose names carry a hash."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>Cellgate</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-1a2b.js").write_text(SCRIPT)
    (folder / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "assets" / "index-1a2b.js.br").write_bytes(b"brotli")
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


@pytest.mark.parametrize(
    ("accepted", "coding", "size"),
    [
        ("gzip, deflate, br, zstd", "br", 6),
        ("gzip, br;q=0", "gzip", None),
        ("GZIP;q=0.5", "gzip", None),
        ("identity", None, len(SCRIPT)),
        ("", None, len(SCRIPT)),
        ("gzip;q=0.0, br; q=0", None, len(SCRIPT)),
    ],
)
def test_a_built_file_comes_in_the_best_encoding_that_the_reader_takes(
    tmp_path: Path, accepted: str, coding: str | None, size: int | None
) -> None:
    client = client_of(built(tmp_path / "static"))

    answer = client.head(ASSET, headers={"Accept-Encoding": accepted})

    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert size in (None, int(answer.headers["Content-Length"]))
    assert "immutable" in answer.headers["Cache-Control"]


def test_each_encoding_has_an_etag_of_its_own(tmp_path: Path) -> None:
    client = client_of(built(tmp_path / "static"))
    tags = {one: client.head(ASSET, headers={"Accept-Encoding": one}).headers["ETag"] for one in ("br", "gzip", "")}

    assert len(set(tags.values())) == 3
    for accepted, tag in tags.items():
        for other in tags:
            found = client.head(ASSET, headers={"Accept-Encoding": other, "If-None-Match": tag})
            assert found.status_code == (304 if other == accepted else 200)
