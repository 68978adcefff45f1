"""Clients that mean harm, or come in numbers: each kind is a coroutine that lasts until its attack ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

ANSWER_S = 30.0
POLL_S = 5
REQUEST_LINE = b"GET /v1/experiments HTTP/1.1\r\nHost: localhost\r\n"
FUNCTIONS = b"".join(b'{"func": "int f%d(int a) { return a; }", "target": %d}\n' % (n, n % 2) for n in range(8))
MIB = 1 << 20


@dataclass(kw_only=True)
class Attack:
    """Connections to the API under attack.

    Args:
        port: Of the API.
        ends: When the attack ends, in seconds of the loop's clock.
        share: Of the clients, how many come.
    """

    port: int
    ends: float
    share: float = 1.0
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    def clients(self, number: int) -> range:
        """Return the share of so many clients, one at least."""
        return range(max(1, round(self.share * number)))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and keep it; an API that takes none by the attack's end is an OSError."""
        async with asyncio.timeout_at(self.ends):
            pair = await asyncio.open_connection("127.0.0.1", self.port)
        self.held.append(pair)
        return pair

    async def send(self, writer: asyncio.StreamWriter, block: bytes, times: int = 1) -> None:
        """Send a block so many times, while the API takes it, until the attack's end at most."""
        with suppress(OSError):
            async with asyncio.timeout_at(self.ends):
                for _ in range(times):
                    writer.write(block)
                    await writer.drain()

    async def rest(self) -> None:
        """Wait for the attack's end."""
        await asyncio.sleep(max(0.0, self.ends - asyncio.get_running_loop().time()))

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read what is answered, and remember its size, also if the API then cuts the connection."""
        size = 0
        with suppress(OSError):
            async with asyncio.timeout(ANSWER_S):
                while block := await reader.read(1 << 16):
                    size += len(block)
        if size:
            self.answered.append(size)

    def open(self) -> int:
        """Return how many connections the API has not closed."""
        return sum(not reader.at_eof() and reader.exception() is None for reader, _ in self.held)


async def nobody(attack: Attack) -> None:
    """Do nothing: what `/livez` takes without an attack."""
    await attack.rest()


async def half_sent(attack: Attack) -> None:
    """Send the first half of a request on 1,100 connections."""
    for _ in attack.clients(1100):
        with suppress(OSError):
            _, writer = await attack.connect()
            await attack.send(writer, REQUEST_LINE)
    await attack.rest()


async def silent(attack: Attack) -> None:
    """Open 1,100 connections and send nothing."""
    for _ in attack.clients(1100):
        with suppress(OSError):
            await attack.connect()
    await attack.rest()


async def large_headers(attack: Attack) -> None:
    """Send 90 MiB of header bytes in each of three requests."""

    async def one() -> None:
        reader, writer = await attack.connect()
        reading = asyncio.create_task(attack.read(reader))
        await attack.send(writer, REQUEST_LINE)
        await attack.send(writer, b"X-Name: " + b"v" * (1 << 16) + b"\r\n", times=90 * 16)
        await attack.rest()
        await reading

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

    await asyncio.gather(*(one() for _ in attack.clients(many)))


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

    await asyncio.gather(*(one() for _ in attack.clients(900)))


async def unfinished_bodies(attack: Attack) -> None:
    """Send all but the last byte of a body of 1 MiB on 400 connections."""

    async def one() -> None:
        _, writer = await attack.connect()
        await attack.send(writer, _post(b" " * (MIB - 1), size=MIB))
        await attack.rest()

    await asyncio.gather(*(one() for _ in attack.clients(400)))


async def scrapes(attack: Attack) -> None:
    """Ask for `/metrics` on 200 connections at once, again and again."""

    async def one() -> None:
        while asyncio.get_running_loop().time() < attack.ends:
            reader, writer = await asyncio.open_connection("127.0.0.1", attack.port)
            await attack.send(writer, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            await attack.read(reader)
            writer.close()

    await asyncio.gather(*(one() for _ in attack.clients(200)))


async def unread(attack: Attack) -> None:
    """Ask for the OpenAPI document 400 times on each of 50 connections, and read nothing."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def one() -> None:
        _, writer = await attack.connect()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(attack.send(writer, request * 20, times=20), timeout=5)
        await attack.rest()

    await asyncio.gather(*(one() for _ in attack.clients(50)))


async def pollers(attack: Attack) -> None:
    """Wait for a change of one run with `?wait=` on 1,000 connections, again and again."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{attack.port}", trust_env=False) as client:
        upload = (await client.put("/v1/uploads/functions.jsonl", content=FUNCTIONS)).raise_for_status().json()
        body = {"name": "polled", "source": upload["source"]}
        (await client.post("/v1/datasets", json=body)).raise_for_status()
        [run] = (await client.get("/v1/runs")).raise_for_status().json()["items"]
        path = f"/v1/runs/{run['id']}/status"
        tag = (await client.get(path)).raise_for_status().headers["ETag"]
    target = f"GET {path}?wait={POLL_S} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n".encode()

    async def one() -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await attack.connect()
            async with asyncio.timeout_at(attack.ends):
                while True:
                    writer.write(target)
                    head = await reader.readuntil(b"\r\n\r\n")
                    size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                    attack.answered.append(len(head) + len(await reader.readexactly(int(size or 0))))

    await asyncio.gather(*(one() for _ in attack.clients(1000)))


ATTACKS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (
        *(nobody, half_sent, silent, large_headers, large_trailers, unknown_fields, nested),
        *(slow_bodies, unfinished_bodies, scrapes, unread, pollers),
    )
}
