"""Turns of reads that cost the database or the processor much: few at a time, so that the other routes stay quick."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from service.api.connection_errors import ServerBusy

# Whole-table sums, lists, curves, documents of megabytes. A request that waits for a change is none: it would hold its
# turn while it waits.
HEAVY = re.compile(
    r"^/metrics$|^/readyz$|^/openapi\.json$"
    r"|^/v1/(?:bundles|compare|datasets|experiments|jobs|queues|runs|usage|workers)$"
    r"|^/v1/[a-z]+/[^/]+/(?:decisions|deliveries|events|logs|metrics|report|report\.html)$"
)
Next = Callable[[Request], Awaitable[Response]]
# Further requests that may wait for a turn, for each turn.
QUEUED_PER_TURN = 16


class HeavyReads:
    """The heavy reads of one process.

    Args:
        at_once: How many have their turn at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._free = at_once * (1 + QUEUED_PER_TURN)

    def in_turn(self, go_on: Next) -> Next:
        """Return how a request is answered: a heavy read when it has a turn, any other one at once."""

        async def answer(request: Request) -> Response:
            return await (self._wait_and(go_on, request) if _is_heavy(request) else go_on(request))

        return answer

    async def _wait_and(self, go_on: Next, request: Request) -> Response:
        if self._free == 0:
            raise ServerBusy("the service has as many expensive requests at work as it can hold; try again")
        self._free -= 1
        try:
            async with self._turns:
                return await go_on(request)
        finally:
            self._free += 1


def _is_heavy(request: Request) -> bool:
    reads = request.method in ("GET", "HEAD")
    return reads and "wait" not in request.query_params and HEAVY.match(str(request.scope["path"])) is not None
