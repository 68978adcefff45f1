"""The log of `cellgate serve` for requests over a socket with valid and invalid tokens."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hardware import REPOSITORY
from tests.worker_harness import WAIT_S, until

TOKEN = "correct-horse-battery-staple-and-cart"
WRONG = "cg_" + "w" * 43
PASSWORD = "geheimnis"


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    """Yield the URL of a server whose broker is away."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "CELLGATE_DATA_DIR": str(folder),
        "CELLGATE_REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:1/0",
        "CELLGATE_TOKEN": TOKEN,
        "CELLGATE_LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "cellgate", "serve", "--port", str(port)]
    with log.open("wb") as stderr:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=stderr
        )
    try:
        until(lambda: _answers(port), "the server answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(WAIT_S)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def folder(sqlite_url: str, tmp_path: Path) -> Path:
    """The data folder of a server, with a migrated database."""
    assert sqlite_url == f"sqlite:///{tmp_path / 'cellgate.db'}"
    return tmp_path


def test_every_line_of_a_request_has_its_trace_id_and_none_holds_a_secret(folder: Path) -> None:
    log = folder / "server.log"
    with serving(folder, log) as url, httpx.Client(base_url=url) as client:
        made = client.post(
            "/v1/tokens", json={"name": "ci", "scope": "admin"}, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        fresh = made.json()["token"]
        answers = [made]
        for secret in (WRONG, fresh):
            authorization = {"Authorization": f"Bearer {secret}"}
            answers.append(client.post("/v1/jobs", json={"cell": 51}, headers=authorization))
        (folder / "data" / "functions.jsonl").write_text('{"func": "int f() {}", "target": 0}\n')
        dataset = {"name": "made", "source": str(folder / "data" / "functions.jsonl")}
        answers.append(client.post("/v1/datasets", json=dataset, headers={"Authorization": f"Bearer {fresh}"}))

    written = log.read_text()
    events: list[dict[str, Any]] = [json.loads(line) for line in written.splitlines()]

    assert [answer.status_code for answer in answers] == [201, 401, 422, 202]
    assert not [secret for secret in (TOKEN, WRONG, fresh, PASSWORD) if secret in written]
    requests = [event for event in events if event["event"] == "request"]
    assert [event["trace_id"] for event in requests] == [answer.headers["X-Request-Id"] for answer in answers]
    [unsent] = [event for event in events if event["event"] == "notification_not_sent"]
    assert unsent["trace_id"] == answers[-1].headers["X-Request-Id"]
    assert [event["level"] for event in events if str(event["event"]).startswith("Uvicorn running")] == ["info"]
