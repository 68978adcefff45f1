"""A migrated SQLite database and a ready data set."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.domain.experiment import ExperimentSpec
from service.store.database import Database, migrate
from service.store.datasets import create_dataset
from tests.by_hand import TrainersByHand
from trainers.specs import PrepareConfig


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database at the newest schema."""
    url = f"sqlite:///{tmp_path / 'cellgate.db'}"
    migrate(url)
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def trainers(database: Database, tmp_path: Path) -> TrainersByHand:
    """Trainers that end runs with healthy results."""
    return TrainersByHand(database, tmp_path / "artifacts")


@pytest.fixture
def dataset_id(database: Database, trainers: TrainersByHand) -> str:
    """A data set that is ready."""
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    trainers.work()
    return made.id


@pytest.fixture
def spec() -> ExperimentSpec:
    """The defaults, with two seeds."""
    return ExperimentSpec(seeds=[0, 1])
