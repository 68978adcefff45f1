"""A small generated data set that the tests of this folder share."""

from pathlib import Path

import pytest

from cellgate.contract.specs import AggregationSpec, RunOutput
from tests.finished_runs import LINEAR_STRENGTH, SEEDS, MakeSpec, noisy_log_odds, prepare_generated, write_run
from trainers.data.dataset import Dataset


@pytest.fixture(scope="session")
def aggregated_dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; tests must not change it."""
    return prepare_generated(tmp_path_factory.mktemp("aggregated"), functions=400)


@pytest.fixture
def dataset(aggregated_dataset_folder: Path) -> Dataset:
    """The data set, open."""
    return Dataset.open(aggregated_dataset_folder)


@pytest.fixture
def make_spec(dataset: Dataset, aggregated_dataset_folder: Path, tmp_path: Path) -> MakeSpec:
    """Writes three seeds of transformer, gnn and fusion runs and returns the spec that names them."""

    def outputs(cell: int, strength: float) -> list[RunOutput]:
        made = []
        for seed in SEEDS:
            log_odds = noisy_log_odds(strength=strength, seed=100 * cell + seed)
            folder = tmp_path / f"{cell}-{seed}"
            beneath = noisy_log_odds(strength=LINEAR_STRENGTH, seed=0) if cell == 51 else None
            write_run(folder, dataset, cell=cell, seed=seed, log_odds=log_odds, linear=beneath)  # type: ignore[arg-type]
            made.append(RunOutput(seed=seed, path=folder))
        return made

    def make(**changes: object) -> AggregationSpec:
        fields = {
            "dataset": aggregated_dataset_folder,
            "transformer": outputs(51, 1.0),
            "gnn": outputs(52, 1.5),
            "fusion": outputs(53, 4.0),
            "resamples": 300,
        }
        return AggregationSpec.model_validate({**fields, **changes})

    return make
