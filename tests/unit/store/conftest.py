"""A migrated SQLite database and a ready data set; both are made once and copied for each test."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from service.store.database import Database
from service.store.datasets import create_dataset
from tests.fakes import FakeTrainers


@dataclass(frozen=True, kw_only=True)
class Template:
    """A database file that is never opened again, and the id of its data set."""

    file: Path
    dataset_id: str


@pytest.fixture(scope="session")
def template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A database at the newest schema with one data set, which is ready."""
    folder = tmp_path_factory.mktemp("template")
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, folder / 'cellgate.db')}")
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    FakeTrainers(database, folder / "artifacts").work()
    database.dispose()
    return Template(file=folder / "cellgate.db", dataset_id=made.id)


@pytest.fixture
def database(template: Template, tmp_path: Path) -> Iterator[Database]:
    """A database of the test's own."""
    copy = shutil.copy(template.file, tmp_path / "cellgate.db")
    database = Database(f"sqlite:///{copy}")
    yield database
    database.dispose()


@pytest.fixture
def trainers(database: Database, tmp_path: Path) -> FakeTrainers:
    """Trainers that end runs with healthy results."""
    return FakeTrainers(database, tmp_path / "artifacts")


@pytest.fixture
def dataset_id(template: Template) -> str:
    """A data set that is ready."""
    return template.dataset_id


@pytest.fixture
def spec() -> ExperimentSpec:
    """The defaults, with two seeds."""
    return ExperimentSpec(seeds=[0, 1])
