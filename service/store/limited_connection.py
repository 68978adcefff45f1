"""A PostgreSQL connection of the driver that is closed when the server stays silent."""

import time
from collections.abc import Generator
from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg.waiting import Ready, Wait

R = TypeVar("R")


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is closed when nothing moves on it while a caller waits; the caller gets an OperationalError.

    `silence_s` is how long that may last; subclasses set it.
    """

    silence_s: ClassVar[float]

    def wait(self, gen: Generator[Wait, Ready | int, R], *arguments: Any, **options: Any) -> R:
        """Let the driver wait for the server, in whatever it does: a statement, a commit, a ping."""
        return super().wait(self._watched(gen), *arguments, **options)

    def _watched(self, work: Generator[Wait, Ready | int, R]) -> Generator[Wait, Ready | int, R]:
        try:
            wanted = next(work)
            moved_at = time.monotonic()
            while True:
                # The driver answers "nothing yet" ten times a second.
                ready = yield wanted
                if ready is not Ready.NONE:
                    moved_at = time.monotonic()
                elif time.monotonic() - moved_at > self.silence_s:
                    raise self._give_up()
                wanted = work.send(ready)
        except StopIteration as end:
            found: R = end.value
            return found

    def _give_up(self) -> psycopg.OperationalError:
        # As it is: a rollback or a cancel would wait for the same server.
        self.pgconn.finish()
        return psycopg.OperationalError(
            f"timeout: the server said nothing for {self.silence_s:g} s, so the connection was closed; "
            "CELLGATE_DATABASE_SILENCE_S sets the limit"
        )
