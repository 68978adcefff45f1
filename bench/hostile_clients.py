"""What clients that mean harm cost the API: `python -m bench.hostile_clients [--attack NAME …]`.

Starts the API as a process of its own, over SQLite and with at most 1,024 open files, lets one kind of client after the
other at it, each at a fresh API, and prints a Markdown table: the API's memory before and at most, how long `/livez`
took beside it (a new connection each time), and how many of the attack's connections were still open at its end.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from service.store.database import migrate
from tests.faults.deployment import free_port

FILES = 1024
LOOK_EVERY_S = 0.05
ATTACK_S = 15.0
LIVEZ_TIMEOUT_S = 60.0
START_TIMEOUT_S = 180.0
REQUEST_LINE = b"GET /v1/experiments HTTP/1.1\r\nHost: localhost\r\n"
MIB = 1 << 20


@dataclass(kw_only=True)
class Attack:
    """Connections to the API under attack.

    Args:
        port: Of the API.
        ends: When the attack ends, in seconds of the loop's clock.
    """

    port: int
    ends: float
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and keep it."""
        pair = await asyncio.open_connection("127.0.0.1", self.port)
        self.held.append(pair)
        return pair

    async def send(self, writer: asyncio.StreamWriter, block: bytes, times: int = 1) -> None:
        """Send a block so many times, while the API takes it."""
        with suppress(OSError):
            for _ in range(times):
                writer.write(block)
                await writer.drain()

    async def rest(self) -> None:
        """Wait for the attack's end."""
        await asyncio.sleep(max(0.0, self.ends - asyncio.get_running_loop().time()))

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read what is answered, and remember its size."""
        with suppress(OSError):
            self.answered.append(len(await asyncio.wait_for(reader.read(-1), timeout=30)))

    def open(self) -> int:
        """Return how many connections the API has not closed."""
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in self.held)


async def nobody(attack: Attack) -> None:
    """Do nothing: what `/livez` takes without an attack."""
    await attack.rest()


async def half_sent(attack: Attack, many: int = 1100) -> None:
    """Send the first half of a request on 1,100 connections."""
    for _ in range(many):
        with suppress(OSError):
            _, writer = await attack.connect()
            await attack.send(writer, REQUEST_LINE)
    await attack.rest()


async def silent(attack: Attack) -> None:
    """Open 1,100 connections and send nothing."""
    for _ in range(1100):
        with suppress(OSError):
            await attack.connect()
    await attack.rest()


async def large_headers(attack: Attack) -> None:
    """Send 90 MiB of header bytes in each of three requests."""

    async def one() -> None:
        reader, writer = await attack.connect()
        await attack.send(writer, REQUEST_LINE)
        reading = asyncio.create_task(attack.read(reader))
        await attack.send(writer, b"X-Name: " + b"v" * (1 << 16) + b"\r\n", times=90 * 16)
        await attack.rest()
        reading.cancel()

    await asyncio.gather(*(one() for _ in range(3)))


async def large_trailers(attack: Attack) -> None:
    """Send 90 MiB of trailers after the body, in each of three requests."""

    async def one() -> None:
        _, writer = await attack.connect()
        head = b"PUT /v1/uploads/a.jsonl HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        await attack.send(writer, head + b"1\r\na\r\n0\r\n")
        await attack.send(writer, b"X-Name: " + b"v" * (1 << 16) + b"\r\n", times=90 * 16)
        await attack.rest()

    await asyncio.gather(*(one() for _ in range(3)))


def _post(body: bytes, *, size: int | None = None) -> bytes:
    head = "POST /v1/experiments HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body) if size is None else size}\r\n\r\n".encode() + body


async def _posts(attack: Attack, body: bytes, many: int) -> None:
    async def one() -> None:
        reader, writer = await attack.connect()
        await attack.send(writer, _post(body))
        await attack.read(reader)

    await asyncio.gather(*(one() for _ in range(many)))


async def unknown_fields(attack: Attack) -> None:
    """Send 60,000 unknown fields in each of four bodies."""
    fields = ", ".join(f'"field{number}": 0' for number in range(60_000))
    await _posts(attack, f"{{{fields}}}".encode()[: MIB - 2], 4)


async def nested(attack: Attack) -> None:
    """Send a body of 500,000 nested lists, four times."""
    await _posts(attack, b'{"name": ' + b"[" * 500_000 + b"]" * 500_000 + b"}", 4)


async def slow_bodies(attack: Attack) -> None:
    """Send one byte a second of the body on 900 connections."""

    async def one() -> None:
        _, writer = await attack.connect()
        await attack.send(writer, _post(b"{", size=MIB))
        with suppress(OSError):
            while asyncio.get_running_loop().time() < attack.ends:
                await asyncio.sleep(1)
                await attack.send(writer, b" ")

    await asyncio.gather(*(one() for _ in range(900)))


async def unfinished_bodies(attack: Attack) -> None:
    """Send all but the last byte of a body of 1 MiB on 400 connections."""

    async def one() -> None:
        _, writer = await attack.connect()
        await attack.send(writer, _post(b" " * (MIB - 1), size=MIB))
        await attack.rest()

    await asyncio.gather(*(one() for _ in range(400)))


async def scrapes(attack: Attack) -> None:
    """Ask for `/metrics` on 200 connections at once, again and again."""

    async def one() -> None:
        while asyncio.get_running_loop().time() < attack.ends:
            reader, writer = await asyncio.open_connection("127.0.0.1", attack.port)
            await attack.send(writer, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            await attack.read(reader)
            writer.close()

    await asyncio.gather(*(one() for _ in range(200)))


async def unread(attack: Attack) -> None:
    """Ask for the OpenAPI document 400 times on each of 50 connections, and read nothing."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def one() -> None:
        _, writer = await attack.connect()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(attack.send(writer, request * 20, times=20), timeout=5)
        await attack.rest()

    await asyncio.gather(*(one() for _ in range(50)))


ATTACKS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (
        *(nobody, half_sent, silent, large_headers, large_trailers, unknown_fields, nested),
        *(slow_bodies, unfinished_bodies, scrapes, unread),
    )
}


@contextmanager
def api(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Yield port and process of a fresh API."""
    migrate(f"sqlite:///{folder / 'cellgate.db'}")
    port = free_port()
    settings = {"DATA_DIR": folder, "REDIS_URL": "redis://127.0.0.1:1/0", "PORT": port, "LOG_FORMAT": "json"}
    environment = os.environ | {f"CELLGATE_{name}": str(value) for name, value in settings.items()}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

    command = [sys.executable, "-m", "service", "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, preexec_fn=limit)
    try:
        _wait_until_it_answers(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False)
            return
        time.sleep(0.1)
    raise TimeoutError("the API did not start")


def probe(port: int, seconds: float) -> None:
    """Print how long each request for `/livez` took, in milliseconds; infinity where it was not answered with 200.

    It runs as a process of its own: beside the attack's clients it would measure them.
    """
    took, ends = [], time.perf_counter() + seconds
    while (begun := time.perf_counter()) < ends:
        found = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=LIVEZ_TIMEOUT_S) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while block := connection.recv(4096):
                found += block
        took.append(1000 * (time.perf_counter() - begun) if found.startswith(b"HTTP/1.1 200") else float("inf"))
        time.sleep(LOOK_EVERY_S)
    print(json.dumps(took))


async def _memory(process: psutil.Process, sizes: list[int]) -> None:
    while True:
        sizes.append(process.memory_info().rss)
        await asyncio.sleep(LOOK_EVERY_S)


async def measure(name: str, port: int, process: psutil.Process) -> str:
    """Return the attack's row of the table."""
    loop = asyncio.get_running_loop()
    before, sizes = process.memory_info().rss, [0]
    cpu = sum(process.cpu_times()[:2])
    attack = Attack(port=port, ends=loop.time() + ATTACK_S)
    watching = asyncio.create_task(_memory(process, sizes))
    probing = ("-m", "bench.hostile_clients", "--probe", str(port))
    probed = await asyncio.create_subprocess_exec(sys.executable, *probing, stdout=asyncio.subprocess.PIPE)
    with suppress(OSError):
        await ATTACKS[name](attack)
    took = json.loads((await probed.communicate())[0])
    watching.cancel()
    still_open = attack.open()
    for _, writer in attack.held:
        writer.transport.abort()
    cpu = sum(process.cpu_times()[:2]) - cpu
    known = [value for value in took if value < float("inf")]
    shown = f"{statistics.median(known):.0f} | {max(known):.0f}" if known else "none | none"
    largest = f"{max(attack.answered) / 1e6:.2f} MB" if attack.answered else ""
    return (
        f"| {name} | {before / MIB:.0f} → {max(sizes) / MIB:.0f} | {shown} | {len(took) - len(known)} of {len(took)} "
        f"| {still_open} of {len(attack.held)} | {largest} | {cpu:.1f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attack", action="append", choices=ATTACKS, help="default: all")
    parser.add_argument("--probe", type=int, metavar="PORT", help="print how long /livez takes there")
    given = parser.parse_args()
    if given.probe:
        probe(given.probe, ATTACK_S)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print("| attack | memory, MiB | /livez p50, ms | longest | unanswered | still open | largest answer | CPU, s |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.attack or ATTACKS:
        with tempfile.TemporaryDirectory(prefix="cellgate-bench-") as folder, api(Path(folder)) as (port, process):
            print(asyncio.run(measure(name, port, process)), flush=True)


if __name__ == "__main__":
    main()
