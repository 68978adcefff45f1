"""Output is followed live over a real server: cut and resumed, by many at once, and through the server's end."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi.routing
import httpx
import pytest
import uvicorn
from sqlalchemy import text

from service.app import create_app
from service.run import Server
from service.settings import Settings
from service.store import lifecycle, run_actions
from service.store.claims import Claim, claim_next
from service.store.recorder import record_log
from tests.live_server import LiveServer, SilentNotifier, run_live_server

FEW, MANY = 40, 200
CHUNKS = 40


@pytest.fixture
def context(tmp_path: Path) -> Iterator[LiveServer]:
    with run_live_server(tmp_path) as found:
        yield found


def running(context: LiveServer) -> Claim:
    """Return a running run with one line of output."""
    context.dataset()
    with context.database.begin() as session:
        claim = claim_next(session, worker="worker-1", queues=["cpu"], lease_s=3600)
        assert claim is not None
        lifecycle.mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
    say(context, claim, 1, "loading\n")
    return claim


def say(context: LiveServer, claim: Claim, number: int, recorded: str) -> None:
    with context.database.begin() as session:
        assert record_log(session, run_id=claim.run_id, attempt=claim.attempt, number=number, text=recorded)


def end(context: LiveServer, claim: Claim) -> None:
    with context.database.begin() as session:
        run_actions.cancel_run(session, claim.run_id)
        lifecycle.cancelled(session, run_id=claim.run_id, attempt=claim.attempt)


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield id, kind and data of each event."""
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            found[name] = value
        elif "data" in found:
            yield found.get("id", ""), found["event"], json.loads(found["data"])
            found = {}


def test_output_that_is_cut_and_resumed_has_no_gap_and_no_double(context: LiveServer) -> None:
    claim = running(context)

    def talk() -> None:
        for number in range(2, CHUNKS):
            say(context, claim, number, f"ü{number}\n")
            time.sleep(0.02)
        end(context, claim)

    talking = threading.Thread(target=talk)
    talking.start()
    numbers: list[int] = []
    cursor, final = "0.0", None
    while final is None:
        path = f"{context.url}/v1/runs/{claim.run_id}/logs/stream"
        with httpx.stream("GET", path, headers={"Last-Event-ID": cursor}, timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for count, (identifier, kind, data) in enumerate(events(answer.iter_lines())):
                if kind == "end":
                    final = data["state"]
                else:
                    cursor = identifier
                    numbers.append(data["number"])
                if count == 6:
                    break
    talking.join()

    assert (numbers, final) == (list(range(1, CHUNKS)), "cancelled")


def test_output_arrives_while_the_stream_is_open(context: LiveServer) -> None:
    claim = running(context)
    path = f"{context.url}/v1/runs/{claim.run_id}/logs/stream"
    with httpx.stream("GET", path, headers={"Last-Event-ID": "1.1"}, timeout=30) as answer:
        found = events(answer.iter_lines())
        for number in (2, 3):
            say(context, claim, number, str(number))
            assert next(found)[2]["text"] == str(number)


def test_a_quiet_stream_says_that_it_is_still_there(context: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.05)
    claim = running(context)
    path = f"{context.url}/v1/runs/{claim.run_id}/logs/stream"
    with httpx.stream("GET", path, headers={"Last-Event-ID": "1.1"}, timeout=30) as answer:
        lines = (line for line in answer.iter_lines() if line)
        assert [next(lines) for _ in range(4)] == ["retry: 1000", *[": ping"] * 3]


def test_a_database_that_fails_ends_the_stream_so_that_the_caller_asks_again(context: LiveServer) -> None:
    claim = running(context)
    path = f"{context.url}/v1/runs/{claim.run_id}/logs/stream"
    with context.database.begin() as session:
        session.execute(text("ALTER TABLE logs RENAME TO gone"))

    with httpx.stream("GET", path, timeout=30) as answer:
        assert list(events(answer.iter_lines())) == []
    assert answer.status_code == 200


def test_the_events_of_a_run_are_streamed_to_its_end(context: LiveServer) -> None:
    claim = running(context)
    path = f"{context.url}/v1/runs/{claim.run_id}/events"
    with httpx.stream("GET", f"{path}/stream", timeout=30) as answer:
        found = events(answer.iter_lines())
        first = next(found)
        end(context, claim)
        streamed = [first, *found]

    assert [data for _, kind, data in streamed if kind == "event"] == httpx.get(path).json()
    assert [int(identifier) for identifier, _, _ in streamed[:-1]] == [event["id"] for event in httpx.get(path).json()]
    assert streamed[-1][1:] == ("end", {"run": claim.run_id, "state": "cancelled"})


@pytest.mark.parametrize("streams", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_many_open_streams_leave_a_status_request_alone_and_all_get_its_output(
    context: LiveServer, streams: int
) -> None:
    claim = running(context)

    async def follow(client: httpx.AsyncClient, opened: asyncio.Semaphore) -> str:
        async with client.stream("GET", f"/v1/runs/{claim.run_id}/logs/stream") as answer:
            opened.release()
            return "".join([part async for part in answer.aiter_text()])

    async def main() -> list[str]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=context.url, timeout=60, limits=limits) as client:
            opened = asyncio.Semaphore(0)
            following = [asyncio.create_task(follow(client, opened)) for _ in range(streams)]
            for _ in range(streams):
                await opened.acquire()
            status = await client.get(f"/v1/runs/{claim.run_id}/status", timeout=10)
            assert status.json()["state"] == "running"
            await asyncio.to_thread(say, context, claim, 2, "all hear this")
            await asyncio.to_thread(end, context, claim)
            return await asyncio.gather(*following)

    reported = asyncio.run(main())

    assert all("all hear this" in received and received.count("event: log") == 2 for received in reported)
    assert all(received.rstrip().endswith('"state": "cancelled"}') for received in reported)


def test_an_open_stream_does_not_keep_the_server_from_ending(context: LiveServer, tmp_path: Path) -> None:
    claim = running(context)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = create_app(Settings.model_validate({"data_dir": tmp_path, "port": port}), notifier=SilentNotifier())
    # Without a limit of its own, what ends the server is that the stream does.
    server = Server(uvicorn.Config(app, port=port, log_config=None, ws="none"), app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)

    path = f"http://127.0.0.1:{port}/v1/runs/{claim.run_id}/logs/stream"
    with httpx.stream("GET", path, timeout=30) as answer:
        found = events(answer.iter_lines())
        assert next(found)[2]["number"] == 1
        server.should_exit = True
        assert list(found) == []
        thread.join(timeout=30)

    assert not thread.is_alive()
