"""A head that learned something false on fuse is not shipped."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split
from cellgate.contract.events import EventWriter
from cellgate.contract.results import RunResult
from cellgate.contract.specs import FusionSpec
from tests.finished_runs import SPEC_HASH, LogOdds, noisy_log_odds, prepare_generated, write_run
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.metrics import margins
from trainers.engine.predictions import predictions_path, read_predictions
from trainers.evaluation.ensemble import ensemble_log_odds
from trainers.models.fusion.train import run


def base(strength: float, *, on_fuse: float, seed: int) -> LogOdds:
    """A model whose knowledge of fuse is `on_fuse` times that of the other splits; below 0 it is wrong there."""

    def log_odds(split: Split, labels_R: NDArray[np.int64]) -> NDArray[np.float64]:
        factor = on_fuse if split is Split.FUSE else 1.0
        return noisy_log_odds(strength=factor * strength, seed=seed)(split, labels_R)

    return log_odds


def fuse(folder: Path, *, text: float, graph: float, on_fuse: float) -> tuple[RunResult, Path]:
    """Train a head over bases that know the labels this well, on fuse `on_fuse` times as well."""
    path = prepare_generated(folder, functions=400)
    dataset = Dataset.open(path)
    write_run(folder / "transformer", dataset, cell=51, seed=0, log_odds=base(text, on_fuse=on_fuse, seed=51))
    write_run(folder / "gnn", dataset, cell=52, seed=0, log_odds=base(graph, on_fuse=on_fuse, seed=52))
    training = {"epochs": 12, "batch_size": 8, "learning_rate": {"value": 3e-2}}
    spec = FusionSpec.model_validate(
        {"dataset": path, "transformer": folder / "transformer", "gnn": folder / "gnn", "training": training}
    )
    out = folder / "fusion"
    with EventWriter(out / "events.jsonl") as events:
        result = run(spec, RunContext(out=out, events=events, spec_hash=SPEC_HASH, started_at=time.time()))
    return result, out


def gate_log_odds(out: Path) -> np.ndarray:
    return margins(read_predictions(predictions_path(out, Split.GATE)).logits_RC)


def test_a_head_that_ranks_dev_worse_than_the_ensemble_is_undone_and_says_so(tmp_path: Path) -> None:
    result, out = fuse(tmp_path, text=1.5, graph=1.5, on_fuse=-2.0)

    text_R, graph_R = gate_log_odds(tmp_path / "transformer"), gate_log_odds(tmp_path / "gnn")
    expected_R = ensemble_log_odds(text_R, graph_R, text_weight=0.6)
    np.testing.assert_allclose(gate_log_odds(out), expected_R, rtol=1e-5, atol=1e-5)
    assert len(result.warnings) == 1
    assert "undone" in result.warnings[0]


def test_a_head_that_ranks_dev_better_is_kept(tmp_path: Path) -> None:
    result, out = fuse(tmp_path, text=0.0, graph=3.0, on_fuse=1.0)

    text_R, graph_R = gate_log_odds(tmp_path / "transformer"), gate_log_odds(tmp_path / "gnn")
    difference_R = gate_log_odds(out) - ensemble_log_odds(text_R, graph_R, text_weight=0.6)
    assert result.warnings == []
    assert np.abs(difference_R).max() > 0.01
