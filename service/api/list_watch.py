"""Waiting for a change of lists: one statement looks for all requests that wait, and what it wakes is made once."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Any, TypeVar

from service.api.auth import Permit
from service.api.long_poll import Report, VersionWatcher
from service.store.changes import load_mark
from service.store.database import Database

# Progress comes every second or so, and a list is dearer to make than the state of one run.
LOOK_EVERY_S = 0.5
LISTS = "lists"
T = TypeVar("T")


class ListWatch:
    """Counts the changes that were seen, and lets requests wait for the next one.

    Args:
        read_mark: Returns what differs after every change; called in a thread of its own while somebody waits.
        report: Is told, in a thread of its own, what ended a look that should not have ended so.
    """

    def __init__(self, read_mark: Callable[[], Hashable], report: Report = lambda _, __: None) -> None:
        self._read_mark = read_mark
        self._mark: Hashable = None
        self._changes = 0
        self._watcher = VersionWatcher(self._look, report, look_every_s=LOOK_EVERY_S)
        self._made: dict[Hashable, asyncio.Task[Any]] = {}
        self._made_at = 0

    @property
    def changes(self) -> int:
        """How many changes were seen; what is read from now on shows them all."""
        return self._changes

    async def wait(self, seen: int, *, timeout_s: float, permit: Permit) -> int:
        """Return the number of changes once it is higher than `seen`, the time is over, or the service stops.

        Args:
            seen: `changes` before the caller read what it has.
            timeout_s: Seconds.
            permit: Of the request.

        Raises:
            Unauthorized: The request's token was revoked or has expired.
        """
        await self._watcher.wait_permitted(LISTS, seen, timeout_s=timeout_s, permit=permit)
        return self._changes

    async def shared(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make` returns, which is made once for all that ask for this key until the next change.

        Args:
            key: What it is made of; the same for every caller.
            make: Makes it. It goes on when who asked first has gone.
        """
        if self._made_at != self._changes:
            self._made, self._made_at = {}, self._changes
        making = self._made.get(key)
        if making is None or (making.done() and making.exception() is not None):
            making = self._made[key] = asyncio.ensure_future(_run(make))
        made: T = await asyncio.shield(making)
        return made

    def close(self) -> None:
        """Release every waiting request, and let none wait any more: the service is stopping."""
        self._watcher.close()

    def _look(self, ids: Collection[str]) -> Mapping[str, int]:
        mark = self._read_mark()
        if mark != self._mark:
            self._mark = mark
            self._changes += 1
        return dict.fromkeys(ids, self._changes)


async def _run(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def watch_lists(database: Database, report: Report) -> ListWatch:
    """Return a watcher of the lists in this database."""

    def read_mark() -> Hashable:
        with database.read() as session:
            return load_mark(session)

    return ListWatch(read_mark, report)
