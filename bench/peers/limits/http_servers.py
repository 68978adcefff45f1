"""How fast nothing is answered: by a bare socket, by uvicorn and FastAPI, by two processes of these."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from bench.peers.http_client import HttpClient
from bench.peers.noise import QuietGate
from bench.peers.peer import Row, Traits
from bench.peers.processes import Memory
from bench.peers.server_peer import Environment, ServerPeer
from bench.peers.settings import PROGRAMS
from bench.peers.shared_servers import wait_for_port
from bench.peers.timing import RequestTimings, time_concurrent, time_sequential

PORT = 5671
CLIENTS = 16
UVICORN = ("-m", "uvicorn", "hello_app:app", "--app-dir", str(PROGRAMS), "--port", str(PORT), "--no-access-log")
QUIET = ("--log-level", "warning")
SERVERS: dict[str, Sequence[str]] = {
    "raw asyncio socket": (str(PROGRAMS / "raw_socket_server.py"), str(PORT)),
    "uvicorn and FastAPI": (*UVICORN, *QUIET),
    "uvicorn and FastAPI, 2 workers": (*UVICORN, *QUIET, "--workers", "2"),
}


@dataclass(frozen=True, kw_only=True)
class ServerLimit:
    """Of a server that answers with a constant."""

    cold_start_s: float
    memory: Memory
    sequential: RequestTimings
    concurrent: RequestTimings


class Constant(ServerPeer):
    """A server that always answers the same.

    Args:
        environment: Settings, processes, shared servers.
        arguments: Of Python.
    """

    def __init__(self, environment: Environment, arguments: Sequence[str]) -> None:
        rows = frozenset({Row.FOOTPRINT})
        traits = Traits(name="limit", port=PORT, distribution="uvicorn", venv="floor", likeness={}, rows=rows)
        super().__init__(environment, traits)
        self._arguments = arguments

    def start(self) -> None:
        """Start it."""
        self.run([sys.executable, *self._arguments])


async def measure(environment: Environment, gate: QuietGate) -> dict[str, ServerLimit]:
    """Return the limits by server."""
    return {name: await _measure(Constant(environment, arguments), gate) for name, arguments in SERVERS.items()}


async def _measure(server: Constant, gate: QuietGate) -> ServerLimit:
    share, processes = server.settings.share, server.processes

    def send(client: HttpClient, _number: int, _connection: int) -> Awaitable[object]:
        return client.send("GET", "/hello")

    begun = time.perf_counter()
    try:
        server.start()
        wait_for_port(PORT)
        cold_start_s = time.perf_counter() - begun
        await asyncio.sleep(1.5)
        memory = processes.memory(server.traits.tags)
        await time_concurrent(server, processes, send, clients=CLIENTS, duration_s=share)
        requests = server.settings.scaled(3000)
        return ServerLimit(
            cold_start_s=cold_start_s,
            memory=memory,
            sequential=await gate.least_disturbed(
                lambda: time_sequential(server, processes, send, requests=requests, max_s=4.0)
            ),
            concurrent=await gate.least_disturbed(
                lambda: time_concurrent(server, processes, send, clients=CLIENTS, duration_s=5.0 * share)
            ),
        )
    finally:
        server.stop()
