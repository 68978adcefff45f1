"""Notifications of what requests have queued: sent after their answers, one round for all requests that came meanwhile.

A process that ends before the round leaves the runs marked as not notified of, and the reconciler notifies.
"""

import asyncio

from starlette.concurrency import run_in_threadpool

from service.broker.notify import Notifier, notify_waiting_runs
from service.store.database import Database


class Notifications:
    """Notifies workers of queued runs.

    Args:
        database: Where the runs are.
        notifier: Wakes the workers.
    """

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier
        self._next: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def send(self) -> None:
        """Return once workers are notified of every run that was queued before this call."""
        # A round that has begun may have read the queue already; one that waits for its turn has not.
        if self._next is None:
            self._next = asyncio.create_task(self._round())
        await asyncio.shield(self._next)

    async def _round(self) -> None:
        async with self._one_at_a_time:
            self._next = None
            await run_in_threadpool(notify_waiting_runs, self._database, self._notifier)
