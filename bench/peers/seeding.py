"""Filling a server with runs before it is measured."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.peers.http_client import HttpClient, HttpError
from bench.peers.peer import Peer

TRIES = 6
CLIENTS = 4
NOT_READY = (OSError, HttpError, TimeoutError, ValueError)


def seeded_state(number: int) -> str:
    """Return the state of a seeded run: of ten, one has failed, one is running, eight have finished."""
    return {3: "FAILED", 7: "RUNNING"}.get(number % 10, "FINISHED")


# The same in SQL, in terms of `g`, the number of the run.
SEEDED_STATES_SQL = {"FAILED": "g % 10 = 3", "RUNNING": "g % 10 = 7", "FINISHED": "g % 10 NOT IN (3, 7)"}
# Runs of these numbers have each state once.
ONE_OF_EACH_STATE = (3, 7, 0)


async def answers(peer: Peer, client: HttpClient) -> bool:
    """Return whether a peer is ready; errors count as no."""
    try:
        return await asyncio.wait_for(peer.is_ready(client), 5)
    except NOT_READY:
        return False


async def wait_until_ready(peer: Peer, timeout_s: float = 240.0, look_every_s: float = 0.05) -> None:
    """Return once a peer is ready.

    Raises:
        RuntimeError: Its processes have ended, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    client = peer.client()
    while not await answers(peer, client):
        client.close()
        client = peer.client()
        if peer.has_exited():
            raise RuntimeError(f"the processes of {peer.traits.name} have ended; logs/{peer.traits.name}.log says why")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{peer.traits.name} is not ready after {timeout_s:g} s")
        await asyncio.sleep(look_every_s)
    client.close()


async def create_runs(peer: Peer, count: int, create: Callable[[HttpClient, int], Awaitable[None]]) -> None:
    """Create runs numbered from 0, from several clients; each failed one is tried again.

    Raises:
        RuntimeError: One failed at every try.
    """
    numbers = iter(range(count))

    async def keep_creating() -> None:
        client = peer.client()
        for number in numbers:
            await _create(peer, client, number, create)
        client.close()

    await asyncio.gather(*(keep_creating() for _ in range(CLIENTS)))


async def _create(
    peer: Peer, client: HttpClient, number: int, create: Callable[[HttpClient, int], Awaitable[None]]
) -> None:
    last: Exception | None = None
    for tried in range(1, TRIES + 1):
        try:
            return await create(client, number)
        except (HttpError, OSError) as error:
            last = error
            await asyncio.sleep(0.1 * tried)
    raise RuntimeError(f"{peer.traits.name}: run {number} could not be created in {TRIES} tries") from last
