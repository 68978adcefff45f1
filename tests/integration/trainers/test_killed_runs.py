"""A run that is killed again and again gives, bit for bit, what one gives that nothing disturbed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.finished_runs import prepare_generated

REPOSITORY = Path(__file__).resolve().parents[3]
# Of this seed, the first three attempts die after a checkpoint.
SEED = 5
FEW, MANY = 3, 8
GRAPH = {
    "model": {"width": 32},
    "training": {"epochs": 4, "batch_size": 16, "learning_rate": {"value": 3e-3}, "checkpoint_every_steps": 3},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the data set and the runs lie."""
    folder = tmp_path_factory.mktemp("killed")
    prepare_generated(folder, functions=600)
    return folder


def _killed(folder: Path, cell: str, spec: dict[str, Any], *, kills: int = MANY) -> dict[str, Any]:
    """Kill a cell's runs; return what differs, from which steps they went on, and where the undisturbed run lies."""
    out = folder / f"{cell}-{kills}"
    out.mkdir()
    path = folder / f"{out.name}.json"
    path.write_text(json.dumps({"dataset": str(folder / "dataset"), "seed": 0, "device": "cpu", **spec}))
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.runs", cell, str(path), str(out), str(SEED), str(kills)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "undisturbed": str(out / "whole")}


@pytest.fixture(scope="module")
def transformer(folder: Path) -> dict[str, Any]:
    training = {"epochs": 6, "batch_size": 8, "learning_rate": {"value": 1e-2}, "checkpoint_every_steps": 3}
    return _killed(folder, "51", {"model": {"size": "tiny"}, "training": training})


@pytest.fixture(scope="module")
def gnn(folder: Path) -> dict[str, Any]:
    return _killed(folder, "52", GRAPH)


@pytest.fixture(scope="module")
def gnn_killed_a_few_times(folder: Path) -> dict[str, Any]:
    return _killed(folder, "52", GRAPH, kills=FEW)


@pytest.fixture(scope="module")
def fusion(folder: Path, transformer: dict[str, Any], gnn: dict[str, Any]) -> dict[str, Any]:
    training = {"epochs": 20, "batch_size": 8, "learning_rate": {"value": 2e-3}, "checkpoint_every_steps": 3}
    bases = {"transformer": transformer["undisturbed"], "gnn": gnn["undisturbed"]}
    return _killed(folder, "53", {**bases, "training": training})


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("transformer", marks=pytest.mark.slow),
        pytest.param("gnn", marks=pytest.mark.slow),
        "gnn_killed_a_few_times",
        pytest.param("fusion", marks=pytest.mark.slow),
    ],
)
def test_weights_and_metrics_are_those_of_an_undisturbed_run(cell: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(cell)

    assert found["different"] == []
    # Weights, the predictions of four splits, what the result says, and a linear model's weights where one is mixed in.
    assert found["compared"] in (12, 13)
    went_on_from = {step for step in found["resumed_at"] if 0 < step < found["steps"]}
    assert len(went_on_from) >= 2, found["resumed_at"]
