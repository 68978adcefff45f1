"""A migrated database with nothing in it, and a floor to supervise runs on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store.database import Database, migrate
from tests.worker_harness import Floor


@pytest.fixture
def floor(database_url: str, tmp_path: Path) -> Iterator[Floor]:
    """A floor over each kind of database."""
    yield from _floor(database_url, tmp_path)


@pytest.fixture
def small_floor(tmp_path: Path) -> Iterator[Floor]:
    """A floor over SQLite, for what does not depend on the database."""
    yield from _floor(f"sqlite:///{tmp_path / 'cellgate.db'}", tmp_path)


def _floor(url: str, folder: Path) -> Iterator[Floor]:
    migrate(url)
    database = Database(url)
    yield Floor(folder=folder, database=database, url=url)
    database.dispose()
