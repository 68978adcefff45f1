"""A data set that a linear model can be fitted on, and that model."""

from pathlib import Path

import pytest

from tests.finished_runs import prepare_generated
from trainers.data.dataset import Dataset
from trainers.models.linear.base import LinearBase, text_base


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """400 generated functions."""
    return Dataset.open(prepare_generated(tmp_path_factory.mktemp("linear"), functions=400))


@pytest.fixture(scope="session")
def base_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `base` is; tests must not change it."""
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="session")
def base(dataset: Dataset, base_cache: Path) -> LinearBase:
    """Of the functions' text."""
    found = text_base(dataset, cache=base_cache)
    assert found is not None
    return found
