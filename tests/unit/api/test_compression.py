"""Compressed answers: what is read often is small, and neither secrets nor files change their bytes."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from service.api.compression import SMALLEST_BYTES, Compression
from tests.api_client import Api

TAKES_GZIP = {"Accept-Encoding": "gzip, br"}


def ask(api: Api, path: str, **headers: str) -> Any:
    """Return an answer whose length header is that of what came over the wire."""
    return api.client.get(path, headers={**TAKES_GZIP, **headers})


def test_json_of_a_kilobyte_is_compressed_for_readers_that_take_it(api: Api) -> None:
    packed = ask(api, "/v1/cells")
    plain = api.client.get("/v1/cells", headers={"Accept-Encoding": "identity"})

    assert (packed.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
    assert packed.json() == plain.json()
    assert int(packed.headers["Content-Length"]) * 3 < int(plain.headers["Content-Length"])
    assert "Accept-Encoding" in packed.headers["Vary"] == plain.headers["Vary"]


def test_a_short_answer_is_sent_as_it_is(api: Api) -> None:
    answer = ask(api, "/v1/whoami")

    assert "Content-Encoding" not in answer.headers
    assert int(answer.headers["Content-Length"]) < SMALLEST_BYTES


def test_an_answer_keeps_its_etag_and_its_304_in_every_encoding(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"
    packed = ask(api, path)

    assert packed.headers["Content-Encoding"] == "gzip"
    tag = packed.headers["ETag"]
    assert tag.startswith("W/")
    assert ask(api, path, **{"If-None-Match": tag}).status_code == 304


def test_an_answer_with_a_secret_is_never_compressed(api: Api) -> None:
    body = {"url": f"https://example.org/{'a' * 1500}", "events": ["decision.taken"]}

    made = api.client.post("/v1/webhooks", json=body, headers=TAKES_GZIP)

    assert "secret" in made.json()
    assert len(made.content) > SMALLEST_BYTES
    assert "Content-Encoding" not in made.headers


@pytest.mark.parametrize(
    ("path", "kind", "headers", "packed"),
    [
        ("/v1/runs/run_1/artifacts", "application/json", {}, True),
        ("/v1/runs/run_1/artifacts/result.json", "application/json", {}, False),
        ("/v1/bundles/bun_1/archive", "application/octet-stream", {}, False),
        ("/v1/runs/run_1/logs", "text/plain; charset=utf-8", {}, False),
        ("/v1/runs/run_1/events/stream", "text/event-stream", {}, False),
        ("/v1/runs/run_1/metrics", "application/json", {"Range": "bytes=0-9"}, False),
        ("/v1/experiments/exp_1/report.html", "text/html", {}, True),
        ("/static/assets/index.js", "text/javascript", {}, False),
    ],
)
def test_files_streams_and_ranges_keep_their_bytes(path: str, kind: str, headers: dict[str, str], packed: bool) -> None:
    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": b"x" * 5000})

    found = TestClient(Compression(answer)).get(path, headers={**TAKES_GZIP, **headers})

    assert ("Content-Encoding" in found.headers) == packed
    assert found.content == b"x" * 5000
