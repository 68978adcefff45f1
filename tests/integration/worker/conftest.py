"""A migrated database with nothing in it, and a floor to supervise runs on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store.database import Database
from tests.worker_harness import Floor


@pytest.fixture
def floor(database_url: str, tmp_path: Path) -> Iterator[Floor]:
    """A floor over each kind of database."""
    yield from _floor(database_url, tmp_path)


@pytest.fixture
def small_floor(sqlite_url: str, tmp_path: Path) -> Iterator[Floor]:
    """A floor over SQLite, for what does not depend on the database."""
    yield from _floor(sqlite_url, tmp_path)


def _floor(url: str, folder: Path) -> Iterator[Floor]:
    database = Database(url)
    yield Floor(folder=folder, database=database, url=url)
    database.dispose()
