"""A small generated data set that the tests of this folder share."""

from pathlib import Path

import pytest

from tests.finished_runs import prepare_generated
from trainers.data.dataset import Dataset


@pytest.fixture(scope="session")
def fused_dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; tests must not change it."""
    return prepare_generated(tmp_path_factory.mktemp("fused"), functions=400)


@pytest.fixture
def dataset(fused_dataset_folder: Path) -> Dataset:
    """The data set, open."""
    return Dataset.open(fused_dataset_folder)
