"""Whole runs of cell 52, one for each graph network: from the command line to a model that others load."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import GnnModel, Split
from trainers.data.batching import collate_graphs
from trainers.data.dataset import Dataset
from trainers.engine.predictions import predictions_path, read_predictions
from trainers.models.gnn.propagation import PROPAGATIONS
from trainers.models.gnn.saving import load_gnn

# What they reached when this was written: 0.87 to 0.92.
LEARNED_AUROC = 0.7


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=[] if name == GnnModel().architecture else pytest.mark.slow) for name in PROPAGATIONS],
)
def test_it_learns_from_six_hundred_functions_and_its_saved_model_repeats_its_predictions(
    trainer: Any, dataset: Path, architecture: str
) -> None:
    spec = {
        "dataset": str(dataset),
        "device": "cpu",
        "model": {
            "architecture": architecture,
            "readout": "max",
            "width": 32,
            "layers": 3,
            "dropout": 0,
            "mix_linear": False,
        },
        "training": {"epochs": 3, "batch_size": 8, "learning_rate": {"value": 3e-3}},
    }

    assert trainer.run("gnn", spec, architecture) == (0, "")

    result = trainer.result(architecture)
    assert result["collapse_events"] == 0
    assert result["metrics"]["dev"]["auroc"] > LEARNED_AUROC
    predictions = read_predictions(predictions_path(trainer.out(architecture), Split.GATE))
    opened = Dataset.open(dataset)
    rows = opened.rows(Split.GATE)
    with torch.inference_mode():
        logits_BC = load_gnn(trainer.out(architecture) / "model")(collate_graphs(opened, rows)).logits_BC
    assert predictions.ids == opened.ids(rows)
    np.testing.assert_allclose(predictions.logits_RC, logits_BC.numpy(), rtol=1e-4, atol=1e-5)
