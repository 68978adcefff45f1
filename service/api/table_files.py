"""SQLite files that runs have left for pages, read without trust: bounded in time and size, and never written to."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from service.api.connection_errors import QueryTimeout
from service.api.run_files import missing_files
from service.domain.errors import ArtifactMissing, MadeByOlderRelease

LONGEST_S = 5.0
# Of one value; the longest are the ids and names that a data set's source gives.
MOST_VALUE_BYTES = 1 << 20
# SQLite asks after so many instructions of its machine whether it may go on: some milliseconds of work.
INSTRUCTIONS = 100_000
A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A file of tables that a run has left.

    Args:
        folder: Of the run or the data set; nothing outside of it is opened.
        name: Of the file in it.
        version: Of its tables, that this release reads.
        whose: The thing that it belongs to, for people.
        older: Why it is not there, and what to do, where the thing was made by a release that did not write it.
        vouched: Whether the run's result says that it left the file.
    """

    folder: Path
    name: str
    version: int
    whose: str
    older: str
    vouched: bool

    @contextmanager
    def opened(self) -> Iterator["Tables"]:
        """Yield the tables, open for reading.

        Raises:
            MadeByOlderRelease: It was never written, or with other tables.
            ArtifactMissing: It is gone or damaged.
            QueryTimeout: What is read within takes too long.
        """
        if missing_files(self.folder, [self.name]):
            raise self._damaged("is gone") if self.vouched else MadeByOlderRelease(self.older)
        try:
            with closing(_connect(self.folder / self.name)) as database:
                (found,) = database.execute("PRAGMA user_version").fetchone()
                if found != self.version:
                    raise MadeByOlderRelease(f"{self.older} (its tables are of version {found}, not {self.version})")
                yield Tables(database)
        except (sqlite3.Error, ValidationError, ValueError, TypeError) as error:
            if isinstance(error, sqlite3.OperationalError) and "interrupted" in str(error):
                raise QueryTimeout(f"reading {self.name} of {self.whose} took more than {LONGEST_S:g} s") from error
            # Not the error's text: it quotes what is somebody's source or name.
            raise self._damaged(f"cannot be read ({type(error).__name__})") from error

    def _damaged(self, what: str) -> ArtifactMissing:
        return ArtifactMissing(f"{self.name} of {self.whose} {what}: restore the artifact folder from a backup")


class Tables:
    """An open file of tables."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return what a statement selects; it says itself how many rows at most."""
        return self._database.execute(statement, tuple(values)).fetchall()

    def models(self, model: type[A], statement: str, values: Sequence[object] = ()) -> list[A]:
        """Return what a statement selects, each row as a model with its columns' names."""
        return [model.model_validate(dict(row)) for row in self.rows(statement, values)]


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_VALUE_BYTES)
    end = time.monotonic() + LONGEST_S
    database.set_progress_handler(lambda: time.monotonic() > end, INSTRUCTIONS)
    for setting in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        database.execute(f"PRAGMA {setting}")
    return database
