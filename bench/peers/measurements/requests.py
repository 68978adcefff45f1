"""Latency and throughput of submitting, polling, listing and logging metrics."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from bench.peers.http_client import HttpClient
from bench.peers.noise import QuietGate
from bench.peers.peer import Peer
from bench.peers.processes import ProcessTable
from bench.peers.settings import BenchSettings
from bench.peers.timing import RequestTimings, SendRequest, time_concurrent, time_sequential

CLIENTS = 16
POLLERS = 20
BATCH_POINTS = 1_000
BATCHES = 10


@dataclass(frozen=True, kw_only=True)
class StatusTimings:
    """Of asking for a run's state.

    Args:
        state: What the runs were in.
        sequential: One run, one client.
        concurrent: One run, 16 clients.
        pollers: 20 runs, a client each.
    """

    state: str
    sequential: RequestTimings
    concurrent: RequestTimings
    pollers: RequestTimings


@dataclass(frozen=True, kw_only=True)
class ListTimings:
    """Of listing the newest 50 failed runs; `items` is how many came."""

    items: int
    sequential: RequestTimings


@dataclass(frozen=True, kw_only=True)
class MetricTimings:
    """Of logging points and reading them back.

    Args:
        one_point: A point per call.
        batch: 1,000 points per call.
        read: All points of the batches.
        points_read: How many came.
    """

    one_point: RequestTimings
    batch: RequestTimings
    read: RequestTimings
    points_read: int


@dataclass(frozen=True, kw_only=True)
class SubmitTimings:
    """Of submitting runs: from one client, and from 16."""

    sequential: RequestTimings
    concurrent: RequestTimings


class RequestMeter:
    """Measures one running peer.

    Args:
        peer: Started and warmed up.
        processes: Where its CPU is read.
        settings: How many requests to send.
        gate: Waits for quiet.
    """

    def __init__(self, peer: Peer, processes: ProcessTable, settings: BenchSettings, gate: QuietGate) -> None:
        self._peer, self._processes, self._settings, self._gate = peer, processes, settings, gate

    async def status(self) -> StatusTimings:
        """Measure polling of runs that have not ended."""
        peer, client = self._peer, self._peer.client()
        runs = await peer.running(client, POLLERS)
        state = await peer.status(client, runs[0])
        client.close()

        def first(client: HttpClient, _number: int, _connection: int) -> Awaitable[object]:
            return peer.status(client, runs[0])

        def own(client: HttpClient, _number: int, connection: int) -> Awaitable[object]:
            return peer.status(client, runs[connection])

        return StatusTimings(
            state=state,
            sequential=await self._sequential(first, requests=400, max_s=6.0),
            concurrent=await self._concurrent(first, clients=CLIENTS, duration_s=5.0),
            pollers=await self._concurrent(own, clients=POLLERS, duration_s=5.0),
        )

    async def listing(self) -> ListTimings:
        """Measure the filtered list."""
        client = self._peer.client()
        items = await self._peer.list_failed(client)
        client.close()
        timings = await self._sequential(lambda client, *_: self._peer.list_failed(client), requests=150, max_s=8.0)
        return ListTimings(items=items, sequential=timings)

    async def metrics(self) -> MetricTimings:
        """Measure logging to one run point by point, and to another in batches, which is then read."""
        peer, client = self._peer, self._peer.client()
        batched, single = await peer.metric_run(client), await peer.metric_run(client)
        one_point = await self._sequential(
            lambda client, number, _: peer.log_points(client, single, number, 1), requests=200, max_s=6.0
        )
        batch = await self._once(
            lambda client, number, _: peer.log_points(client, batched, number * BATCH_POINTS, BATCH_POINTS),
            requests=self._settings.scaled(BATCHES),
            max_s=60.0,
        )
        await asyncio.sleep(peer.traits.log_delay_s)
        points = await peer.read_points(client, batched)
        client.close()
        read = await self._sequential(lambda client, *_: peer.read_points(client, batched), requests=12, max_s=12.0)
        return MetricTimings(one_point=one_point, batch=batch, read=read, points_read=points)

    async def submit(self) -> SubmitTimings:
        """Measure submitting; once only, because every submit leaves the server fuller."""
        peer = self._peer
        most = peer.traits.max_submits
        sequential = await self._once(
            lambda client, number, _: peer.submit(client, number),
            requests=min(most, self._settings.scaled(200)),
            max_s=8.0,
        )
        concurrent = await self._gate.least_disturbed(
            lambda: time_concurrent(
                peer,
                self._processes,
                lambda client, number, _: peer.submit(client, 10**6 + number),
                clients=CLIENTS,
                duration_s=6.0 * self._settings.share,
                max_requests=most,
            ),
            tries=1,
        )
        client = peer.client()
        await peer.after_submits(client)
        client.close()
        return SubmitTimings(sequential=sequential, concurrent=concurrent)

    async def _sequential(self, send: SendRequest, *, requests: int, max_s: float) -> RequestTimings:
        requests = self._settings.scaled(requests)
        return await self._gate.least_disturbed(
            lambda: time_sequential(self._peer, self._processes, send, requests=requests, max_s=max_s)
        )

    async def _once(self, send: SendRequest, *, requests: int, max_s: float) -> RequestTimings:
        return await self._gate.least_disturbed(
            lambda: time_sequential(self._peer, self._processes, send, requests=requests, max_s=max_s), tries=1
        )

    async def _concurrent(self, send: SendRequest, *, clients: int, duration_s: float) -> RequestTimings:
        duration_s *= self._settings.share
        return await self._gate.least_disturbed(
            lambda: time_concurrent(self._peer, self._processes, send, clients=clients, duration_s=duration_s)
        )
