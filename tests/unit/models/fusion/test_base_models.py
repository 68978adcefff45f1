"""Base models that learn inside fusion: batches within every budget, no dropout, and the ensemble with gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cellgate.contract.configs import GnnTraining, Split
from tests.fusion_batches import head_of, random_batch
from trainers.data.dataset import Dataset
from trainers.engine.task import Prediction
from trainers.evaluation.ensemble import ensemble_log_odds
from trainers.models.fusion.base_models import (
    FusionNetwork,
    LiveBatch,
    UnfrozenBase,
    complete,
    ensemble_log_odds_tensor,
    plan_evaluation_together,
    plan_together,
)
from trainers.models.gnn.train import GraphTask


@pytest.fixture
def graph_tasks(dataset: Dataset) -> list[Any]:
    """Two with room for 12 functions, and for 5; a plan asks no model."""
    model: Any = nn.Identity()
    return [GraphTask(model, dataset, GnnTraining(batch_size=size)) for size in (12, 5)]


def test_batches_keep_to_the_budget_of_both_models_and_hold_every_function_once(
    graph_tasks: list[Any], dataset: Dataset
) -> None:
    rows = dataset.rows(Split.FUSE)

    batches = plan_together(graph_tasks, rows, np.random.default_rng(0))

    assert max(map(len, batches)) <= 5
    assert np.sort(np.concatenate(batches)).tolist() == rows.tolist()
    evaluated = plan_evaluation_together(graph_tasks, rows)
    assert np.sort(np.concatenate(evaluated)).tolist() == rows.tolist()


def test_batches_keep_pairs_together_and_are_the_same_for_the_same_generator(
    graph_tasks: list[Any], dataset: Dataset
) -> None:
    rows = dataset.rows(Split.FUSE)

    first, again = (plan_together(graph_tasks, rows, np.random.default_rng(3)) for _ in range(2))

    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    batch_of = {int(row): place for place, batch in enumerate(first) for row in batch}
    members: dict[str, set[int]] = {}
    for row, pair in zip(rows, dataset.pairs(rows), strict=True):
        if pair is not None:
            members.setdefault(pair, set()).add(batch_of[int(row)])
    assert len(members) > 5
    assert all(len(places) == 1 for places in members.values())


@pytest.mark.parametrize("text_weight", [0.0, 0.3, 0.6, 1.0])
def test_the_ensemble_with_gradients_is_the_ensemble(text_weight: float) -> None:
    rng = np.random.default_rng(0)
    text_B, graph_B = rng.normal(0, 6, 50), rng.normal(0, 6, 50)
    text_B[0], graph_B[0] = 60.0, 55.0  # where probabilities round to 1
    leaves = [torch.tensor(values, requires_grad=True) for values in (text_B, graph_B)]

    log_odds_B = ensemble_log_odds_tensor(leaves[0], leaves[1], text_weight=text_weight)
    log_odds_B.sum().backward()

    expected_B = ensemble_log_odds(text_B, graph_B, text_weight=text_weight)
    np.testing.assert_allclose(log_odds_B.detach().numpy(), expected_B, rtol=1e-6)
    step = 1e-5
    for leaf, moved in zip(leaves, [(step, 0.0), (0.0, step)], strict=True):
        up = ensemble_log_odds(text_B + moved[0], graph_B + moved[1], text_weight=text_weight)
        down = ensemble_log_odds(text_B - moved[0], graph_B - moved[1], text_weight=text_weight)
        assert leaf.grad is not None
        np.testing.assert_allclose(leaf.grad.numpy(), (up - down) / (2 * step), atol=1e-5)


def test_bases_learn_without_dropout_while_the_head_trains_with_it() -> None:
    base = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    network = FusionNetwork(head_of("gated"), {"gnn": base})

    network.train()
    modes = (network.head.training, base.training, base[1].training)

    assert modes == (True, False, False)
    assert all(parameter.requires_grad for parameter in base.parameters())
    assert network.eval().head.training is False


class Constant:
    """A base with the same output for every function, with a parameter to see gradients by."""

    def __init__(self) -> None:
        self.model = nn.Linear(1, 2, bias=False)
        with torch.no_grad():
            self.model.weight.copy_(torch.tensor([[1.0], [4.0]]))

    def predict(self, batch: torch.Tensor) -> Prediction:
        return Prediction(logits_BC=self.model(batch), embedding_BD=batch.expand(-1, 5))


def test_a_live_model_s_words_are_calibrated_and_replace_what_was_read_of_it_alone() -> None:
    task: Any = Constant()
    read, inputs_B1 = random_batch(), torch.linspace(-1, 1, 7)[:, None]
    base = UnfrozenBase(task=task, temperature=2.0, start={}, save=lambda _folder: None)

    outputs = complete(LiveBatch(read=read, inputs={"gnn": inputs_B1}), {"gnn": base}, text_weight=0.6)

    # Logits x and 4x differ by 3x, at temperature 2.
    torch.testing.assert_close(outputs.graph_log_odds_B, 1.5 * inputs_B1[:, 0])
    torch.testing.assert_close(outputs.graph_BG, inputs_B1.expand(-1, 5))
    assert torch.equal(outputs.text_BT, read.text_BT)
    assert torch.equal(outputs.text_log_odds_B, read.text_log_odds_B)
    expected_B = ensemble_log_odds(
        read.text_log_odds_B.double().numpy(), 1.5 * inputs_B1[:, 0].double().numpy(), text_weight=0.6
    )
    np.testing.assert_allclose(outputs.ensemble_log_odds_B.detach().numpy(), expected_B, rtol=1e-4, atol=1e-5)
    outputs.ensemble_log_odds_B.sum().backward()
    assert task.model.weight.grad is not None
