"""Reads for concurrent requests: one statement for all that ask while another one runs."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from service.store.database import Database
from service.store.versions import PollState, load_poll_states

T = TypeVar("T")


class BatchReader(Generic[T]):
    """Reads something of rows, by id, all that concurrent requests want in one go.

    While one read is at work, further ids are collected for the next.

    Args:
        read: Returns it for each existing row, by id; called in a thread of its own.
    """

    def __init__(self, read: Callable[[Collection[str]], Mapping[str, T]]) -> None:
        self._read = read
        self._waiters: dict[str, list[asyncio.Future[T | None]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, row_id: str) -> T | None:
        """Return what is read of the row now; None where no such row exists.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached.
        """
        found: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(row_id, []).append(found)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())
        return await found

    async def _read_all(self) -> None:
        while self._waiters:
            waiters, self._waiters = self._waiters, {}
            try:
                found = await run_in_threadpool(self._read, list(waiters))
            # Whatever it is, each of the requests reports it: without an answer they would wait for ever.
            except Exception as error:  # noqa: BLE001 - handed on
                for one in _still_there(waiters):
                    one.set_exception(error)
            else:
                for row_id, waiting in waiters.items():
                    for one in _still_there({row_id: waiting}):
                        one.set_result(found.get(row_id))


def _still_there(
    waiters: Mapping[str, Collection["asyncio.Future[T | None]"]],
) -> Iterator["asyncio.Future[T | None]"]:
    """Yield the futures whose requests have not been cancelled meanwhile."""
    return (one for waiting in waiters.values() for one in waiting if not one.done())


def poll_states_in(database: Database) -> BatchReader[PollState]:
    """Return a reader of the poll states of this database."""

    def read(ids: Collection[str]) -> Mapping[str, PollState]:
        with database.read_rows() as connection:
            return load_poll_states(connection, ids)

    return BatchReader(read)
