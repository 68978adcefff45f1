"""The real app over a migrated SQLite database of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.database import migrate
from tests.api_client import Api, asked


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at the newest schema, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "cellgate.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def settings(migrated: Path, tmp_path: Path) -> Settings:
    """Settings of a service of the test's own."""
    folder = tmp_path / "var"
    folder.mkdir()
    shutil.copy(migrated, folder / "cellgate.db")
    return Settings(data_dir=folder)


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The app, started."""
    with asked(settings) as app:
        yield app
