"""Streams and long polls end once their token is not good any more, whichever process revoked it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from cellgate.contract.api.tokens import Scope
from service.api.auth import CACHED_S, RECHECK_S
from service.store.tables import TokenRow
from service.store.tokens import create_token, revoke_named
from tests.live_server import LiveServer, run_live_server

SOON_S = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with run_live_server(tmp_path, token="x" * 40) as found:
        yield found


def a_token(server: LiveServer, name: str) -> dict[str, str]:
    with server.database.begin() as session:
        made = create_token(session, name=name, scope=Scope.READ)
    return {"Authorization": f"Bearer {made.secret}"}


def last_event(server: LiveServer, path: str, headers: dict[str, str], opened: threading.Event) -> tuple[str, str]:
    """Return kind and data of a stream's last event, once the server has ended it."""
    found: dict[str, str] = {}
    with httpx.stream("GET", f"{server.url}{path}", headers=headers, timeout=SOON_S) as answer:
        assert answer.status_code == 200
        opened.set()
        end = time.monotonic() + SOON_S
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("event", "data"):
                found[name] = value
            assert time.monotonic() < end, "the stream goes on"
    return found.get("event", ""), found.get("data", "")


def test_a_stream_and_a_long_poll_end_soon_after_the_token_was_revoked_by_another_process(server: LiveServer) -> None:
    dataset = server.dataset()
    headers = a_token(server, "reader")
    with httpx.Client(base_url=server.url, headers=headers, timeout=SOON_S) as client:
        run = client.get(f"/v1/datasets/{dataset}").json()["run"]
        tag = client.get(f"/v1/runs/{run}/status").headers["ETag"]

        def poll() -> int:
            held = {"If-None-Match": tag}
            return client.get(f"/v1/runs/{run}/status", params={"wait": 60}, headers=held).status_code

        opened = threading.Event()
        with ThreadPoolExecutor(2) as pool:
            stream = pool.submit(last_event, server, f"/v1/runs/{run}/logs/stream", headers, opened)
            polled = pool.submit(poll)
            assert opened.wait(SOON_S)
            # The test's own connection to the database is the other process.
            with server.database.begin() as session:
                revoke_named(session, "reader")

            kind, data = stream.result()
            assert (kind, '"code":"unauthorized"' in data.replace(" ", "")) == ("refused", True)
            assert polled.result() == 401
    assert CACHED_S + RECHECK_S < 5


def test_a_stream_ends_soon_after_its_token_has_expired(server: LiveServer) -> None:
    dataset = server.dataset()
    headers = a_token(server, "short")
    run = httpx.get(f"{server.url}/v1/datasets/{dataset}", headers=headers).json()["run"]
    opened = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(last_event, server, f"/v1/runs/{run}/events/stream", headers, opened)
        assert opened.wait(SOON_S)
        with server.database.begin() as session:
            session.execute(update(TokenRow).values(expires_at=TokenRow.created_at))

        assert stream.result()[0] == "refused"
