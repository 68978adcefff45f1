"""Each graph network trains through the engine's own steps: it learns a few functions by heart."""

import numpy as np
import pytest
import torch

from cellgate.contract.configs import GnnModel, GnnTraining, Precision, Split
from cellgate.contract.specs import Device
from tests.finished_runs import prepare_generated
from trainers.data.dataset import Dataset
from trainers.engine.hardware import set_up_hardware
from trainers.engine.optimization import Stepper
from trainers.models.gnn.model import GraphNetwork, GraphSizes
from trainers.models.gnn.propagation import PROPAGATIONS
from trainers.models.gnn.train import GraphTask

FUNCTIONS = 16
STEPS = 120
# Of each readout, the one that every change is tried with.
QUICK = {"attention": "ggnn", "sum": "rgcn"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.open(prepare_generated(tmp_path_factory.mktemp("architectures"), functions=300))


@pytest.mark.parametrize(
    ("architecture", "readout"),
    [
        pytest.param(architecture, readout, marks=[] if architecture == QUICK[readout] else pytest.mark.slow)
        for readout in QUICK
        for architecture in PROPAGATIONS
    ],
)
def test_it_learns_sixteen_functions_by_heart(dataset: Dataset, architecture: str, readout: str) -> None:
    hardware = set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)
    config = GnnModel.model_validate({"architecture": architecture, "readout": readout, "width": 32, "dropout": 0.0})
    task = GraphTask(GraphNetwork(config, GraphSizes.of(dataset.vocab)), dataset, GnnTraining())
    labels = dataset.labels(np.arange(len(dataset)))
    stepper = Stepper(task, labels=labels, config=GnnTraining(), hardware=hardware, events=None)
    rows = dataset.rows(Split.TRAIN)[:FUNCTIONS]
    assert 0 < labels[rows].sum() < FUNCTIONS

    losses = [stepper.step([rows], learning_rate=3e-3).loss for _ in range(STEPS)]

    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    with torch.inference_mode():
        called = task.predict(task.load_batch(rows)).logits_BC.argmax(dim=1)
    # One pair differs in a name only that no vocabulary of a few functions holds: its graphs are the same.
    assert (called.numpy() == labels[rows]).sum() >= FUNCTIONS - 1
