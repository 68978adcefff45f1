"""The real app over a migrated SQLite database of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.api_client import Api, running_api


@pytest.fixture
def settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Settings of a service of the test's own."""
    folder = tmp_path / "var"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "cellgate.db")
    return Settings(data_dir=folder)


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The app, started."""
    with running_api(settings) as app:
        yield app
