"""Notifications of what requests have queued: sent after their answers, one round for all requests that came meanwhile.

The runs are marked as notified of in the transaction that queued them. A process that ends before the round leaves them
to the heartbeat of the next worker, and to the reconciler, which notifies again.
"""

import asyncio
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool

from service.broker.notify import Notifier, notify_of


class Notifications:
    """Notifies workers of queued runs.

    Args:
        notifier: Wakes the workers.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._due: list[tuple[str, str]] = []
        self._next: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def send(self, due: Iterable[tuple[str, str]]) -> None:
        """Return once workers are notified of these runs.

        Args:
            due: Each run with its queue.
        """
        self._due += due
        # A round that has begun has taken its runs already; one that waits for its turn has not.
        if self._next is None:
            self._next = asyncio.create_task(self._round())
        await asyncio.shield(self._next)

    async def _round(self) -> None:
        async with self._one_at_a_time:
            self._next = None
            due, self._due = self._due, []
            await run_in_threadpool(notify_of, due, self._notifier)
