"""The LR range test on curves whose answer is known, and on a real model."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.lr_finder import find_learning_rate, has_blown_up, log_spaced, suggest
from trainers.specs import LearningRate, TrainingConfig

RATES = np.geomspace(1e-6, 1e-1, 60).tolist()


def _curve(optimum: float, *, noise: float, seed: int) -> list[float]:
    """A loss that falls most steeply at the optimum and takes off a decade above it."""
    x = np.log10(np.array(RATES) / optimum)
    fall = 0.25 / (1 + np.exp(-4 * x))
    blow_up = np.where(x > 1, 0.3 * (10 ** (x - 1) - 1), 0)
    curve: list[float] = (0.7 - fall + blow_up + np.random.default_rng(seed).normal(0, noise, len(x))).tolist()
    return curve


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_the_suggestion_is_within_a_decade_of_the_optimum(noise: float) -> None:
    optima = np.geomspace(3e-5, 3e-3, 40)

    found = [suggest(RATES, _curve(o, noise=noise, seed=i)).learning_rate for i, o in enumerate(optima)]

    near = [rate is not None and abs(math.log10(rate / o)) < 1 for rate, o in zip(found, optima, strict=True)]
    assert np.mean(near) >= 0.95


def test_a_flat_curve_has_no_suggestion_but_a_reason() -> None:
    suggestion = suggest(RATES, [0.693] * len(RATES))

    assert suggestion.learning_rate is None
    assert "neither fell" in suggestion.reason


def test_without_a_valley_a_twentieth_of_where_the_loss_takes_off_is_suggested() -> None:
    losses = [0.693 if rate < 1e-2 else 1.5 for rate in RATES]

    suggestion = suggest(RATES, losses)

    assert suggestion.learning_rate == pytest.approx(5e-4, rel=0.5)
    assert "no valley" in suggestion.reason


def test_a_curve_that_breaks_is_judged_up_to_the_break() -> None:
    whole = _curve(1e-4, noise=0.0, seed=0)
    broken = [loss if rate < 3e-3 else math.nan for rate, loss in zip(RATES, whole, strict=True)]

    suggestion = suggest(RATES, broken)

    assert suggestion.learning_rate is not None
    assert abs(math.log10(suggestion.learning_rate / 1e-4)) < 1


def test_a_flat_curve_that_breaks_is_taken_from_the_break() -> None:
    losses = [0.693 if rate < 1e-2 else math.inf for rate in RATES]

    assert suggest(RATES, losses).learning_rate == pytest.approx(5e-4, rel=0.5)


def test_a_curve_that_is_nan_from_the_start_has_no_suggestion_but_a_reason() -> None:
    suggestion = suggest(RATES, [math.nan] * len(RATES))

    assert suggestion.learning_rate is None
    assert "finite on 0 steps" in suggestion.reason


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_test_stops_at_the_first_loss_that_is_not_finite(bad: float) -> None:
    assert has_blown_up([0.7, bad])


def test_the_test_goes_on_while_the_loss_is_only_noisy() -> None:
    assert not has_blown_up([0.7, 0.9] * 20)


def test_rates_are_evenly_spaced_by_logarithm() -> None:
    rates = log_spaced(LearningRate(finder_min=1e-4, finder_max=1e-1, finder_steps=10))

    assert rates[0] == pytest.approx(1e-4)
    assert rates[-1] == pytest.approx(1e-1)
    np.testing.assert_allclose(np.diff(np.log10(rates)), 1 / 3)


def test_the_model_and_the_random_generators_are_left_as_they_were(
    toy: type[Any], hardware: Hardware, new_context: Callable[..., RunContext]
) -> None:
    task = toy(dropout=0.5)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    drawn = torch.get_rng_state()

    suggestion = find_learning_rate(
        task,
        train_rows=np.arange(120),
        labels=task.labels,
        config=TrainingConfig(),
        context=new_context(),
        hardware=hardware,
    )

    assert suggestion.learning_rate is not None
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in task.model.state_dict().items())
