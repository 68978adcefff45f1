"""The training loop: it learns, keeps the best, stops early, and names what goes wrong."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.errors import CollapseError, DivergenceError
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.loop import fit
from trainers.engine.metrics import auroc, margins
from trainers.engine.outcome import FitOutcome
from trainers.engine.planning import TrainingPlan

TRAIN, DEV = np.arange(120), np.arange(120, 160)
Train = Callable[..., FitOutcome]


@pytest.fixture
def train(hardware: Hardware, rate: LearningRateOutcome) -> Train:
    def train(task: Any, context: RunContext, *, learning_rate: float = 0.01, **config: Any) -> FitOutcome:
        return fit(
            TrainingPlan(
                task=task,
                rows=TRAIN,
                labels=task.labels,
                config=TrainingConfig(**{"epochs": 4, "patience": 4, **config}),
            ),
            dev_rows=DEV,
            learning_rate=rate.model_copy(update={"learning_rate": learning_rate}),
            seed=0,
            context=context,
            hardware=hardware,
        )

    return train


def _said(context: RunContext, kind: str) -> list[dict[str, Any]]:
    lines = (context.out / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]


def test_it_learns_what_can_be_learned(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], hardware: Hardware
) -> None:
    task, context = toy(), new_context()

    outcome = train(task, context)

    score = auroc(task.labels[DEV], margins(infer(task, DEV, hardware=hardware, context=context).logits_RC))
    assert score is not None
    assert score > 0.95
    assert (outcome.epochs, outcome.steps, outcome.skipped_steps, outcome.collapses) == (4, 60, 0, ())


def test_the_best_epochs_weights_are_kept(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext], hardware: Hardware
) -> None:
    task, context = toy(), new_context()

    outcome = train(task, context, learning_rate=0.5, epochs=6, patience=6)

    score = auroc(task.labels[DEV], margins(infer(task, DEV, hardware=hardware, context=context).logits_RC))
    per_epoch = [event["values"]["dev/auroc"] for event in _said(context, "metric") if "dev/auroc" in event["values"]]
    assert score == max(per_epoch) == per_epoch[outcome.best_epoch]


def test_at_a_perfect_ranking_the_lower_loss_is_better(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    task, context = toy(), new_context()
    # The first number says it all, by a wide margin: the ranking is perfect long before the probabilities are.
    task.inputs = torch.stack([4.0 * task.inputs[:, 0].sign(), *(0.1 * task.inputs[:, 1:]).unbind(1)], dim=1)

    outcome = train(task, context, learning_rate=0.01, epochs=5, patience=5)

    scores = [event["values"] for event in _said(context, "metric") if "dev/auroc" in event["values"]]
    perfect = [epoch for epoch, score in enumerate(scores) if score["dev/auroc"] == 1.0]
    assert perfect[0] == 0
    assert outcome.best_epoch == min(perfect, key=lambda epoch: scores[epoch]["dev/loss"]) > 0
    assert outcome.collapses == ()


def test_it_stops_when_patience_runs_out(toy: type[Any], train: Train, new_context: Callable[..., RunContext]) -> None:
    task = toy()
    task.model[3].weight.data.mul_(10)
    task.model[3].bias.data.zero_()

    # A rate that changes nothing: no epoch is better than the first.
    outcome = train(task, new_context(), learning_rate=1e-30, epochs=50, patience=3)

    assert (outcome.best_epoch, outcome.epochs) == (0, 4)


def test_it_stops_after_max_steps_and_evaluates_there(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    context = new_context()

    outcome = train(toy(), context, max_steps=20)

    assert (outcome.steps, outcome.epochs) == (20, 2)
    assert _said(context, "progress")[-1]["done"] == _said(context, "progress")[-1]["total"] == 20


def test_every_curve_is_reported(toy: type[Any], train: Train, new_context: Callable[..., RunContext]) -> None:
    context = new_context()

    train(toy(), context)

    keys = {key for event in _said(context, "metric") for key in event["values"]}
    assert keys >= {"train/loss", "lr/body", "lr/head", "grad_norm/total", "dev/f1", "dev/loss", "dev/auroc"}
    assert keys >= {"grad_norm/body", "grad_norm/head", "weight_norm/body", "weight_norm/head"}
    first = _said(context, "metric")[0]["values"]
    assert first["lr/body"] == pytest.approx(first["lr/head"] / 2)


def test_a_loss_that_is_not_finite_is_divergence(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    task = toy()
    task.inputs[:120] = float("nan")

    with pytest.raises(DivergenceError, match="step 1: loss nan"):
        train(task, new_context())


def test_dev_predictions_that_are_not_finite_are_divergence(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    task, context = toy(), new_context()
    task.inputs[130] = float("nan")

    with pytest.raises(DivergenceError, match="dev predictions"):
        train(task, context)
    assert [event["type"] for event in _said(context, "collapse")] == ["non_finite"]


def test_a_model_that_cannot_tell_anything_apart_has_collapsed(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    task, context = toy(), new_context()
    task.inputs.zero_()

    with pytest.raises(CollapseError) as caught:
        train(task, context)

    assert {problem.found.split(":")[0] for problem in caught.value.problems} >= {"constant_logits", "single_class"}
    assert "constant_logits" in {event["type"] for event in _said(context, "collapse")}


def test_two_constant_evaluations_in_a_row_end_a_run_with_the_rate_to_try_next(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    task, context = toy(), new_context()
    task.inputs.zero_()

    with pytest.raises(CollapseError, match=r"the best of 5 epochs .* training.learning_rate.value to 0.0033"):
        train(task, context, epochs=12, patience=12)

    # Fifteen steps an epoch: those of the first three are too few to judge by.
    assert [event["step"] for event in _said(context, "collapse") if event["type"] == "constant_logits"][-1] == 75


def test_a_run_that_was_healthy_before_its_predictions_became_constant_ends_with_its_best_weights(
    toy: type[Any], train: Train, new_context: Callable[..., RunContext]
) -> None:
    task, context = toy(), new_context()
    load = task.load_batch

    def deaf_from_the_sixth_epoch(rows: np.ndarray) -> Any:
        return load(rows) * (len(task.seen) <= 5 * (15 + 3))

    task.load_batch = deaf_from_the_sixth_epoch
    outcome = train(task, context, epochs=40, patience=40)

    assert (outcome.epochs, outcome.collapses) == (7, ())
    assert outcome.best_epoch < 5


def test_outputs_are_in_the_order_of_the_rows(
    toy: type[Any], new_context: Callable[..., RunContext], hardware: Hardware
) -> None:
    task = toy()
    rows = np.array([9, 3, 77, 20, 5])

    outputs = infer(task, rows, hardware=hardware, context=new_context())

    np.testing.assert_array_equal(outputs.embeddings_RD, task.inputs[rows].numpy())
    with torch.inference_mode():
        np.testing.assert_allclose(outputs.logits_RC, task.model(task.inputs[rows]).numpy(), rtol=1e-5)


def test_inference_halves_the_batch_when_memory_runs_out(
    toy: type[Any], new_context: Callable[..., RunContext], hardware: Hardware
) -> None:
    task, other = toy(), toy()
    other.refuse_above = 2

    whole = infer(task, DEV, hardware=hardware, context=new_context())
    halved = infer(other, DEV, hardware=hardware, context=new_context())

    np.testing.assert_allclose(whole.logits_RC, halved.logits_RC, rtol=1e-5)
    assert max(other.seen) == 2
