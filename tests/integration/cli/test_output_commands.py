"""What a run printed and left behind, from the command line and by the client, over a network that cuts."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cellgate.client._async.client import AsyncClient
from cellgate.client._sync.client import Client
from cellgate.client.errors import Damaged
from cellgate.contract.exit_codes import CommandExit
from service.store import lifecycle, run_actions
from service.store.claims import Claim, claim_next
from service.store.recorder import record_log
from tests.live_server import LiveServer

Cellgate = Callable[..., Any]
CONTENT = bytes(range(256)) * 3000


class Cutting(httpx.BaseTransport):
    """A network that cuts each response after so many bytes, and counts the cuts.

    Args:
        corrupt: Change the first byte of what arrives.
    """

    def __init__(self, after_bytes: int, *, corrupt: bool = False) -> None:
        self._network = httpx.HTTPTransport()
        self._after_bytes = after_bytes
        self._corrupt = corrupt
        self.cuts = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._network.handle_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=_Cut(self, answer))

    def close(self) -> None:
        self._network.close()

    def pass_on(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        left = self._after_bytes
        for block in blocks:
            yield b"?" + block[1:left] if self._corrupt else block[:left]
            left -= len(block)
            if left <= 0:
                self.cuts += 1
                raise httpx.ReadError("cut")


class _Cut(httpx.SyncByteStream):
    def __init__(self, network: Cutting, answer: httpx.Response) -> None:
        self._network = network
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._network.pass_on(self._answer.iter_raw())

    def close(self) -> None:
        self._answer.close()


class AsyncCutting(httpx.AsyncBaseTransport):
    """`Cutting` for programs that await."""

    def __init__(self, after_bytes: int) -> None:
        self._network = httpx.AsyncHTTPTransport()
        self._after_bytes = after_bytes
        self.cuts = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._network.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=_AsyncCut(self, answer))

    async def aclose(self) -> None:
        await self._network.aclose()

    async def pass_on(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        left = self._after_bytes
        async for block in blocks:
            yield block[:left]
            left -= len(block)
            if left <= 0:
                self.cuts += 1
                raise httpx.ReadError("cut")


class _AsyncCut(httpx.AsyncByteStream):
    def __init__(self, network: AsyncCutting, answer: httpx.Response) -> None:
        self._network = network
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._network.pass_on(self._answer.aiter_raw())

    async def aclose(self) -> None:
        await self._answer.aclose()


@pytest.fixture
def claim(context: LiveServer) -> Claim:
    """A run at work that has printed two chunks and left a file."""
    context.dataset()
    with context.database.begin() as session:
        found = claim_next(session, worker="worker-1", queues=["cpu"], lease_s=3600)
        assert found is not None
        lifecycle.mark_running(session, run_id=found.run_id, attempt=found.attempt)
    say(context, found, 1, "loading…\n")
    say(context, found, 2, "training\n")
    model = context.artifacts / found.path / "model"
    model.mkdir(parents=True)
    (model / "weights.bin").write_bytes(CONTENT)
    return found


def say(context: LiveServer, claim: Claim, number: int, text: str) -> None:
    with context.database.begin() as session:
        assert record_log(session, run_id=claim.run_id, attempt=claim.attempt, number=number, text=text)


def end(context: LiveServer, claim: Claim) -> None:
    with context.database.begin() as session:
        run_actions.cancel_run(session, claim.run_id)
        lifecycle.cancelled(session, run_id=claim.run_id, attempt=claim.attempt)


def test_the_output_of_a_run_is_printed_as_it_was(cellgate: Cellgate, claim: Claim) -> None:
    assert cellgate("logs", claim.run_id).out == "loading…\ntraining\n"
    assert cellgate("logs", claim.run_id, "--attempt", "2").out == ""


def test_followed_output_ends_with_the_run(context: LiveServer, cellgate: Cellgate, claim: Claim) -> None:
    def go_on() -> None:
        time.sleep(0.3)
        say(context, claim, 3, "done\n")
        end(context, claim)

    going_on = threading.Thread(target=go_on)
    going_on.start()
    followed = cellgate("logs", "-f", claim.run_id)
    going_on.join()

    assert (followed.code, followed.out) == (0, "loading…\ntraining\ndone\n")


def test_followed_output_that_is_cut_goes_on_where_it_was(context: LiveServer, claim: Claim) -> None:
    for number in range(3, 40):
        say(context, claim, number, f"{number}\n")
    end(context, claim)
    network = Cutting(after_bytes=600)

    with Client(context.url, transport=network, sleep=lambda _: None) as client:
        numbers = [chunk.number for chunk in client.follow_logs(claim.run_id)]

    assert numbers == list(range(1, 40))
    assert network.cuts > 3


def test_the_files_of_a_run_are_listed_and_downloaded(cellgate: Cellgate, claim: Claim, tmp_path: Path) -> None:
    listed = cellgate("artifacts", claim.run_id)
    done = cellgate("download", claim.run_id, "model/weights.bin", "--out", tmp_path / "to" / "weights.bin")

    assert "model/weights.bin" in listed.out
    assert (listed.code, done.code) == (0, 0)
    assert (tmp_path / "to" / "weights.bin").read_bytes() == CONTENT
    assert cellgate("download", claim.run_id, "nothing.bin", "--out", tmp_path / "x").code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


def test_a_download_that_is_cut_goes_on_where_it_was(context: LiveServer, claim: Claim, tmp_path: Path) -> None:
    network = Cutting(after_bytes=200_000)

    with Client(context.url, transport=network, sleep=lambda _: None) as client:
        client.download_artifact(claim.run_id, "model/weights.bin", tmp_path / "weights.bin")

    assert (tmp_path / "weights.bin").read_bytes() == CONTENT
    assert network.cuts == 3


def test_a_download_that_arrives_damaged_is_not_kept(context: LiveServer, claim: Claim, tmp_path: Path) -> None:
    network = Cutting(after_bytes=1 << 30, corrupt=True)

    with Client(context.url, transport=network, sleep=lambda _: None) as client, pytest.raises(Damaged):
        client.download_artifact(claim.run_id, "model/weights.bin", tmp_path / "weights.bin")

    assert list(tmp_path.iterdir()) == []


def test_every_try_at_a_run_is_reported_to_a_program(context: LiveServer, claim: Claim) -> None:
    with Client(context.url) as client:
        assert [(one.attempt, one.worker) for one in client.attempts(claim.run_id)] == [(1, "worker-1")]


def test_a_program_that_awaits_reads_output_and_downloads_over_a_network_that_cuts(
    context: LiveServer, claim: Claim, tmp_path: Path
) -> None:
    for number in range(3, 40):
        say(context, claim, number, f"{number}\n")
    end(context, claim)

    async def wait(_: float) -> None:
        await asyncio.sleep(0)

    async def read(network: AsyncCutting) -> tuple[list[int], list[str]]:
        async with AsyncClient(context.url, transport=network, sleep=wait) as client:
            numbers = [chunk.number async for chunk in client.follow_logs(claim.run_id)]
            names = [file.name for file in await client.artifacts(claim.run_id)]
            return numbers, names

    async def download(network: AsyncCutting) -> None:
        async with AsyncClient(context.url, transport=network, sleep=wait) as client:
            await client.download_artifact(claim.run_id, "model/weights.bin", tmp_path / "weights.bin")

    reading, downloading = AsyncCutting(after_bytes=600), AsyncCutting(after_bytes=200_000)
    assert asyncio.run(read(reading)) == (list(range(1, 40)), ["model/weights.bin"])
    asyncio.run(download(downloading))

    assert (tmp_path / "weights.bin").read_bytes() == CONTENT
    assert reading.cuts > 3
    assert downloading.cuts == 3


def test_a_program_that_awaits_sends_a_file(context: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "sent.jsonl"
    file.write_bytes(b"{}\n" * 200_000)

    async def send() -> str:
        async with AsyncClient(context.url) as client:
            return (await client.upload(file, "sent.jsonl")).source

    assert Path(asyncio.run(send())).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    "command",
    [
        ("report", "{experiment}", "--html", "{place}"),
        ("report", "{experiment}", "--out", "{place}"),
        ("audit", "export", "{place}"),
        ("dataset", "export", "made", "{place}"),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_a_place_that_cannot_be_written_to_is_named_and_nothing_else_is_said(
    command: tuple[str, ...], finished: str, cellgate: Cellgate, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "below"

    ended = cellgate(*(part.format(experiment=finished, place=place) for part in command))

    assert ended.code == CommandExit.USAGE
    assert ended.err.count("\n") == 1
    assert str(tmp_path / "file") in ended.err
    assert "name another place" in ended.err
