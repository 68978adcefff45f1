"""Latencies and throughput of requests: one after another, and from many clients at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.peers.http_client import HttpClient, HttpError
from bench.peers.peer import Peer
from bench.peers.processes import ProcessTable

# Sends one timed request: connection, number of the request, number of the connection.
SendRequest = Callable[[HttpClient, int, int], Awaitable[object]]

MAX_ERRORS_SEQUENTIAL = 20
MAX_ERRORS_CONCURRENT = 200
HANG_S = 180.0
ERROR_LENGTH = 300


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Of a series of operations, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float


@dataclass(kw_only=True)
class RequestTimings:
    """Of a series of requests.

    Args:
        latencies: Of those that succeeded; None if none did.
        requests_per_s: Succeeded, from all clients together.
        took_s: The whole series.
        errors: Requests that failed.
        last_error: What one of them was answered with.
        server_cpu_ms_per_request: Holds on a busy machine, where latencies do not.
        client_cpu_ms_per_request: The harness's own cost; where it nears the latency, the client is the limit.
        others_cpu_cores: Cores that other programs kept busy meanwhile; None if not known.
    """

    latencies: Latencies | None
    requests_per_s: float
    took_s: float
    errors: int
    last_error: str | None
    server_cpu_ms_per_request: float
    client_cpu_ms_per_request: float
    others_cpu_cores: float | None = None


def percentile(sorted_values: Sequence[float], percent: float) -> float:
    """Return the value below which so many percent lie, without interpolation; there must be values."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * percent / 100))]


def latencies_of(took_s: Sequence[float]) -> Latencies | None:
    """Return the percentiles of durations in seconds; None if there are none."""
    if not took_s:
        return None
    ms = sorted(1000 * seconds for seconds in took_s)
    return Latencies(count=len(ms), p50_ms=percentile(ms, 50), p99_ms=percentile(ms, 99), min_ms=ms[0], max_ms=ms[-1])


class _Series:
    """Collects the outcome of requests and the CPU that they cost."""

    def __init__(self, peer: Peer, processes: ProcessTable) -> None:
        self._peer, self._processes = peer, processes
        self.took_s: list[float] = []
        self.errors = 0
        self.last_error: str | None = None
        self._server_cpu_s = processes.cpu_s(peer.traits.tags)
        self._client_cpu_s = time.process_time()
        self._begun_at = time.perf_counter()

    async def time_one(self, send: SendRequest, client: HttpClient, number: int, connection: int) -> None:
        begun = time.perf_counter()
        try:
            await send(client, number, connection)
        except (HttpError, OSError) as error:
            self.errors += 1
            self.last_error = str(error)[:ERROR_LENGTH]
        else:
            self.took_s.append(time.perf_counter() - begun)

    def result(self) -> RequestTimings:
        took_s = time.perf_counter() - self._begun_at
        client_cpu_s = time.process_time() - self._client_cpu_s
        server_cpu_s = self._processes.cpu_s(self._peer.traits.tags) - self._server_cpu_s
        requests = max(1, len(self.took_s) + self.errors)
        return RequestTimings(
            latencies=latencies_of(self.took_s),
            requests_per_s=len(self.took_s) / took_s,
            took_s=took_s,
            errors=self.errors,
            last_error=self.last_error,
            server_cpu_ms_per_request=1000 * server_cpu_s / requests,
            client_cpu_ms_per_request=1000 * client_cpu_s / requests,
        )


async def time_sequential(
    peer: Peer, processes: ProcessTable, send: SendRequest, *, requests: int, max_s: float
) -> RequestTimings:
    """Send requests one after another on one connection, until the number or the time is reached."""
    client = peer.client()
    series = _Series(peer, processes)
    deadline = time.perf_counter() + max_s
    for number in range(requests):
        if time.perf_counter() > deadline or series.errors > MAX_ERRORS_SEQUENTIAL:
            break
        await series.time_one(send, client, number, 0)
    client.close()
    return series.result()


async def time_concurrent(
    peer: Peer,
    processes: ProcessTable,
    send: SendRequest,
    *,
    clients: int,
    duration_s: float,
    max_requests: int = 10**9,
) -> RequestTimings:
    """Let clients with a connection each send their next request as soon as the last one is answered.

    Raises:
        TimeoutError: Requests still hang long after the duration.
    """
    series = _Series(peer, processes)
    deadline = time.perf_counter() + duration_s
    sent = 0

    async def keep_asking(connection: int) -> None:
        nonlocal sent
        client = peer.client()
        while time.perf_counter() < deadline and sent < max_requests and series.errors < MAX_ERRORS_CONCURRENT:
            number, sent = sent, sent + 1
            await series.time_one(send, client, number, connection)
        client.close()

    asking = asyncio.gather(*(keep_asking(connection) for connection in range(clients)))
    await asyncio.wait_for(asking, duration_s + HANG_S)
    return series.result()
