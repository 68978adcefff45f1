"""What the head is given: the bases' own predictions, calibrated, joined by id."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cellgate.contract.artifacts import DATASET_FOLDER
from cellgate.contract.cells import Cell
from cellgate.contract.configs import FusionModel, Split
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import PrepareSpec
from tests.finished_runs import noisy_log_odds, write_run
from trainers.data.dataset import Dataset
from trainers.data.prepare import prepare
from trainers.demo_data.generator import write_jsonl
from trainers.engine.metrics import sigmoid
from trainers.engine.predictions import predictions_path, read_predictions
from trainers.evaluation.finished_runs import FinishedRun, WantedRun, open_runs
from trainers.models.fusion.features import read_features
from trainers.models.fusion.heads import build_head


@pytest.fixture
def bases(dataset: Dataset, tmp_path: Path) -> tuple[FinishedRun, FinishedRun]:
    """A transformer with temperature 2 and width 6, a graph model with temperature 0.5 and width 3."""
    text, graph = tmp_path / "text", tmp_path / "graph"
    write_run(text, dataset, cell=51, seed=0, log_odds=noisy_log_odds(strength=1, seed=1), width=6, temperature=2.0)
    write_run(graph, dataset, cell=52, seed=0, log_odds=noisy_log_odds(strength=2, seed=2), width=3, temperature=0.5)
    wanted = [
        WantedRun(where="/transformer", cell=Cell.TRANSFORMER, seed=0, path=text),
        WantedRun(where="/gnn", cell=Cell.GNN, seed=0, path=graph),
    ]
    first, second = open_runs(wanted, dataset=dataset)
    return first, second


@pytest.mark.parametrize("split", [Split.DEV, Split.FUSE, Split.GATE, Split.TEST])
def test_an_untrained_head_gives_each_split_the_0_6_to_0_4_ensemble_of_calibrated_probabilities(
    bases: tuple[FinishedRun, FinishedRun], dataset: Dataset, split: Split
) -> None:
    features = read_features(*bases, dataset=dataset, text_weight=0.6)
    head = build_head(FusionModel(), text_width=6, graph_width=3)

    with torch.no_grad():
        logits_RC = head(features.batch(dataset.rows(split))).logits_BC.double().numpy()

    text, graph = (read_predictions(predictions_path(run.path, split)).logits_RC.astype(np.float64) for run in bases)
    expected_R = 0.6 * sigmoid((text[:, 1] - text[:, 0]) / 2.0) + 0.4 * sigmoid((graph[:, 1] - graph[:, 0]) / 0.5)
    np.testing.assert_allclose(sigmoid(logits_RC[:, 1] - logits_RC[:, 0]), expected_R, rtol=0, atol=1e-6)


def test_a_batch_holds_the_embeddings_of_its_rows_in_its_order(
    bases: tuple[FinishedRun, FinishedRun], dataset: Dataset
) -> None:
    rows = dataset.rows(Split.GATE)[[5, 0, 3]]

    batch = read_features(*bases, dataset=dataset, text_weight=0.6).batch(rows)

    for run, tensor in zip(bases, (batch.text_BT, batch.graph_BG), strict=True):
        predictions = read_predictions(predictions_path(run.path, Split.GATE))
        places = [predictions.ids.index(name) for name in dataset.ids(rows)]
        assert np.array_equal(tensor.numpy(), predictions.embeddings_RD[places])


def test_a_row_of_train_has_no_features(bases: tuple[FinishedRun, FinishedRun], dataset: Dataset) -> None:
    features = read_features(*bases, dataset=dataset, text_weight=0.6)

    with pytest.raises(IndexError):
        features.batch(dataset.rows(Split.TRAIN)[:1])


def test_a_graph_is_missing_where_nothing_of_the_function_was_parsed(tmp_path: Path) -> None:
    source = tmp_path / "functions.jsonl"
    write_jsonl(source, functions=400, seed=3)
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    for row in rows[::5]:
        # The head is a function's: a text without one would be left out.
        row["func"] = f"nothing({{@ @}}) {{ @ {row['id']} @ }}"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with EventWriter(tmp_path / "events.jsonl") as events:
        prepare(PrepareSpec(source=source), tmp_path, events)
    dataset = Dataset.open(tmp_path / DATASET_FOLDER)
    wanted = []
    for where, cell, name in (("/transformer", Cell.TRANSFORMER, 51), ("/gnn", Cell.GNN, 52)):
        path = write_run(tmp_path / where[1:], dataset, cell=name, seed=0, log_odds=noisy_log_odds(strength=1, seed=1))
        wanted.append(WantedRun(where=where, cell=cell, seed=0, path=path))
    text, graph = open_runs(wanted, dataset=dataset)
    gate = dataset.rows(Split.GATE)

    batch = read_features(text, graph, dataset=dataset, text_weight=0.6).batch(gate)

    unparsed = ["nothing(" in source for source in dataset.sources(gate)]
    assert any(unparsed)
    assert batch.graph_missing_B.tolist() == unparsed
