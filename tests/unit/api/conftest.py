"""The real app over a migrated SQLite database of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.settings import Settings
from tests.api_client import Api, running_api
from tests.made_once import made_once, shared_folder

if TYPE_CHECKING:
    from tests.function_pages import FunctionPages


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


@pytest.fixture(scope="module")
def pages(shared_api: Api, tmp_path_factory: pytest.TempPathFactory) -> "FunctionPages":
    """The app with a real data set and real verdicts on its functions; the file that asks changes nothing else."""
    # Imports what trainers train with, which most of these tests do without.
    from tests.function_pages import function_pages, make_function_pages

    made = made_once(shared_folder(tmp_path_factory) / "function-pages", make_function_pages)
    return function_pages(shared_api, made)
