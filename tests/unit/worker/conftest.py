"""A migrated SQLite database; it is made once and copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.store.database import Database, migrate


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at the newest schema that is never opened again."""
    file = tmp_path_factory.mktemp("migrated") / "cellgate.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty database of the test's own."""
    database = Database(f"sqlite:///{shutil.copy(migrated, tmp_path / 'cellgate.db')}")
    yield database
    database.dispose()
