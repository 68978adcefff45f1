"""Turns of reads that cost the database or the processor much: few at a time, so that the other routes stay quick."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response

from service.api.connection_errors import ServerBusy

# Whole-table sums, lists, curves, documents of megabytes. A request that waits for a change is none: it would hold its
# turn while it waits.
HEAVY = re.compile(
    r"^/metrics$|^/openapi\.json$"
    r"|^/v1/(?:audit|bundles|compare|datasets|experiments|jobs|overview|queues|runs|uploads|usage|workers)$"
    r"|^/v1/[a-z]+/[^/]+/(?:decisions|deliveries|errors|events|functions|logs|metrics|report|report\.html)$"
)
Next = Callable[[Request], Awaitable[Response]]
# It needs no token, so anybody may ask for it; and who does must not wait behind the heavy reads.
READINESS = re.compile(r"^/readyz$")
READINESS_AT_ONCE = 2
# Further requests that may wait for a turn, for each turn.
QUEUED_PER_TURN = 16


class Turn:
    """The turn of one request; without a lane it is one that nobody waits for.

    Args:
        lane: Which requests share it.
    """

    def __init__(self, lane: "Lane | None" = None) -> None:
        self._lane = lane

    def end(self) -> None:
        """Let the next request have its turn; a second call does nothing."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.release()


class HeavyReads:
    """The heavy reads of one process.

    Args:
        at_once: How many have their turn at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._lanes: Final = {HEAVY: Lane(at_once), READINESS: Lane(READINESS_AT_ONCE)}

    async def turn_of(self, request: Request) -> Turn:
        """Return once a request may be answered: a heavy read when it has a turn, any other one at once.

        Raises:
            ServerBusy: Too many wait for theirs.
        """
        lane = self._lane_of(request)
        if lane is None:
            return Turn()
        if _waits(request):
            # It takes a turn each time that it is made, and none while it waits.
            request.state.turn = lane
            return Turn()
        return await lane.take()

    def _lane_of(self, request: Request) -> "Lane | None":
        if request.method not in ("GET", "HEAD"):
            return None
        path = str(request.scope["path"])
        return next((lane for pattern, lane in self._lanes.items() if pattern.match(path)), None)


def _waits(request: Request) -> bool:
    # Without the version that the caller has seen, or with no time, it is answered at once.
    wait = request.query_params.get("wait", "")
    return wait.isdecimal() and int(wait) > 0 and "if-none-match" in request.headers


class Lane:
    """Requests of one kind, of which few have their turn at the same time."""

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._free = at_once * (1 + QUEUED_PER_TURN)

    async def take(self) -> Turn:
        """Return a turn, once there is one.

        Raises:
            ServerBusy: Too many wait for theirs.
        """
        if self._free == 0:
            raise ServerBusy("the service has as many expensive requests at work as it can hold; try again")
        self._free -= 1
        try:
            await self._turns.acquire()
        except BaseException:
            self._free += 1
            raise
        return Turn(self)

    async def pass_on(self, go_on: Next, request: Request) -> Response:
        """Answer a request when it has its turn.

        Raises:
            ServerBusy: Too many wait for theirs.
        """
        turn = await self.take()
        try:
            return await go_on(request)
        finally:
            turn.end()

    def release(self) -> None:
        """Take a turn back."""
        self._turns.release()
        self._free += 1
