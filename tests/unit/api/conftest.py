"""The real app over a migrated SQLite database of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.api_client import Api, running_api


def _settings(template: Path, folder: Path) -> Settings:
    folder.mkdir()
    shutil.copy(template, folder / "cellgate.db")
    return Settings(data_dir=folder)


@pytest.fixture
def settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Settings of a service of the test's own."""
    return _settings(sqlite_template, tmp_path / "var")


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """The app, started."""
    with running_api(settings) as app:
        yield app


@pytest.fixture(scope="module")
def shared_api(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The app, started, for those tests of a module that change nothing."""
    with running_api(_settings(sqlite_template, tmp_path_factory.mktemp("shared") / "var")) as app:
        yield app
