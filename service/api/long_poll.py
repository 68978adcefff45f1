"""Long polling: one statement watches the rows of all concurrent requests."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.api.auth import RECHECK_S, Permit
from service.store.database import Database
from service.store.logs import output_versions
from service.store.versions import load_versions

LOOK_EVERY_S = 0.2
Report = Callable[[str, Exception], None]


class VersionWatcher:
    """Wakes requests when a row gets a higher version, whichever process wrote it.

    While requests wait, one query every `look_every_s` reads the versions of all their rows. No connection is held in
    between.

    Args:
        read: Returns the version of each of these rows, by id; called in a thread of its own.
        report: Is told, in a thread of its own, what ended a round that should not have ended so.
        look_every_s: Seconds between two looks.
    """

    def __init__(
        self,
        read: Callable[[Collection[str]], Mapping[str, int]],
        report: Report = lambda _, __: None,
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._look_every_s = look_every_s
        self._read = read
        self._report = report
        self._waiting: dict[str, set[tuple[int, asyncio.Future[None]]]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def wait_for_version(self, row_id: str, version: int, *, timeout_s: float) -> bool:
        """Return once the row has a higher version or is deleted, the time is over, or the service stops.

        Args:
            row_id: Id of a row that `read` knows.
            version: The version that the caller has.
            timeout_s: Seconds after which it returns anyway.

        Returns:
            Whether there is nothing more to wait for: False only where the time is over.
        """
        if self._closed:
            return True
        moved = asyncio.get_running_loop().create_future()
        entry = (version, moved)
        self._waiting[row_id].add(entry)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            done, _ = await asyncio.wait([moved], timeout=timeout_s)
            return bool(done)
        finally:
            self._forget(row_id, entry)

    async def wait_permitted(self, row_id: str, version: int, *, timeout_s: float, permit: Permit) -> None:
        """Wait as `wait_for_version` does, for as long as the request may go on.

        Args:
            row_id: As there.
            version: As there.
            timeout_s: As there.
            permit: Of the request; it is looked at every `RECHECK_S`.

        Raises:
            Unauthorized: The request's token was revoked or has expired.
        """
        end = time.monotonic() + timeout_s
        while (left_s := end - time.monotonic()) > 0:
            if await self.wait_for_version(row_id, version, timeout_s=min(left_s, RECHECK_S)):
                break
            # A database that cannot be reached is reported by what follows.
            with suppress(SQLAlchemyError):
                await permit.check()

    @property
    def closed(self) -> bool:
        """Whether the service is stopping."""
        return self._closed

    def close(self) -> None:
        """Release every waiting request, and let none wait any more: the service is stopping."""
        self._closed = True
        for entries in self._waiting.values():
            _release(entries)

    def _forget(self, row_id: str, entry: tuple[int, asyncio.Future[None]]) -> None:
        self._waiting[row_id].discard(entry)
        if not self._waiting[row_id]:
            del self._waiting[row_id]

    async def _look(self) -> None:
        while self._waiting and not self._closed:
            try:
                versions = await run_in_threadpool(self._read, list(self._waiting))
            except SQLAlchemyError:
                # The waiting requests read again when their time is over, and get the error then.
                versions = None
            except Exception as error:  # noqa: BLE001 - reported; without this task every long poll would hang
                versions = None
                await run_in_threadpool(self._report, "long polls", error)
            if versions is not None:
                self._tell(versions)
            await asyncio.sleep(self._look_every_s)

    def _tell(self, versions: Mapping[str, int]) -> None:
        for row_id, entries in self._waiting.items():
            now = versions.get(row_id)
            _release({(held, moved) for held, moved in entries if now is None or now > held})


def _release(entries: Collection[tuple[int, asyncio.Future[None]]]) -> None:
    for _, moved in entries:
        if not moved.done():
            moved.set_result(None)


def watch_versions(database: Database, report: Report) -> VersionWatcher:
    """Return a watcher of the version columns of this database."""

    def read(ids: Collection[str]) -> Mapping[str, int]:
        with database.read_rows() as connection:
            return load_versions(connection, ids)

    return VersionWatcher(read, report)


def watch_output(database: Database, report: Report) -> VersionWatcher:
    """Return a watcher of the runs' output and events in this database."""

    def read(run_ids: Collection[str]) -> Mapping[str, int]:
        with database.read() as session:
            return output_versions(session, run_ids)

    return VersionWatcher(read, report)
