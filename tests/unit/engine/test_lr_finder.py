"""The LR range test on curves whose answer is known, and on a real model."""

import math
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import LearningRate, TrainingConfig
from tests.lr_curves import SETTINGS, Curve, draw_curves
from trainers.engine import optimization
from trainers.engine.class_balance import start_at_prior
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.lr_choice import settle
from trainers.engine.lr_finder import Suggestion, find_learning_rate, has_blown_up, log_spaced, suggest
from trainers.engine.optimization import Stepper
from trainers.engine.planning import TrainingPlan

RATES = np.geomspace(1e-6, 1e-1, 60).tolist()
Find = Callable[..., Suggestion]


@pytest.fixture(scope="module")
def curves() -> list[Curve]:
    return draw_curves()


def test_of_1000_curves_each_has_a_rate_within_the_range_and_a_reason(curves: list[Curve]) -> None:
    outcomes = [curve.outcome() for curve in curves]

    assert len(outcomes) == 1000
    assert all(SETTINGS.finder_min <= outcome.learning_rate <= SETTINGS.finder_max for outcome in outcomes)
    assert all(outcome.source in ("finder", "fallback") and outcome.reason for outcome in outcomes)


def test_of_the_well_posed_curves_99_in_100_are_answered_within_a_decade_of_the_optimum(curves: list[Curve]) -> None:
    posed = [curve for curve in curves if curve.optimum is not None]

    near = sum(curve.distance() < 1 for curve in posed)

    assert near >= 0.99 * len(posed) == 594


def test_of_curves_of_noise_alone_four_in_five_have_no_valley(curves: list[Curve]) -> None:
    noise = [curve for curve in curves if curve.kind == "noise alone"]

    assert sum(curve.outcome().source == "fallback" for curve in noise) >= 0.75 * len(noise)


def test_what_diverges_at_once_is_trained_at_the_lowest_rate(curves: list[Curve]) -> None:
    diverging = [curve for curve in curves if curve.kind == "diverging at once"]

    assert {curve.outcome().learning_rate for curve in diverging} == {SETTINGS.finder_min}


def test_a_flat_curve_has_no_suggestion_but_a_reason() -> None:
    suggestion = suggest(RATES, [0.693] * len(RATES))

    assert suggestion.learning_rate is None
    assert "no valley: the loss fell by" in suggestion.reason


def test_without_a_valley_no_rate_is_suggested_and_where_the_loss_takes_off_is_told() -> None:
    losses = [0.693 if rate < 1e-2 else 1.5 for rate in RATES]

    suggestion = suggest(RATES, losses)

    assert suggestion.learning_rate is None
    assert suggestion.takes_off == pytest.approx(1e-2, rel=0.5)
    assert suggestion.ceiling == pytest.approx(5e-4, rel=0.5)
    assert "no valley" in suggestion.reason


def test_a_curve_that_breaks_within_ten_steps_tells_the_break() -> None:
    losses = [0.7] * 5 + [math.nan]

    suggestion = suggest([1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0], losses)

    assert (suggestion.learning_rate, suggestion.takes_off) == (None, 10.0)
    assert "finite on 5 steps only" in suggestion.reason


def test_a_flat_curve_that_breaks_takes_off_at_the_break() -> None:
    losses = [0.693 if rate < 1e-2 else math.inf for rate in RATES]

    assert suggest(RATES, losses).takes_off == pytest.approx(1e-2, rel=0.5)


@pytest.mark.parametrize(
    ("takes_off", "taken"),
    [
        pytest.param(None, 1e-3, id="never"),
        pytest.param(1e-1, 1e-3, id="far above the default"),
        pytest.param(1e-2, 5e-4, id="less than twenty times above it"),
        pytest.param(1e-6, 1e-6, id="at once: the lowest that was tried"),
    ],
)
def test_who_does_not_know_takes_the_default_and_never_one_near_to_where_the_loss_takes_off(
    takes_off: float | None, taken: float
) -> None:
    unknown = Suggestion(learning_rate=None, reason="no valley", takes_off=takes_off)

    outcome = settle(unknown, LearningRate(fallback=1e-3))

    assert (outcome.source, outcome.learning_rate) == ("fallback", pytest.approx(taken))
    assert outcome.reason.startswith("no valley; the fallback is 0.001")


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


@pytest.fixture
def find(hardware: Hardware, new_context: Callable[..., RunContext]) -> Find:
    def find(task: Any, **settings: Any) -> Suggestion:
        return find_learning_rate(
            TrainingPlan(
                task=task,
                rows=np.arange(120),
                labels=task.labels,
                config=TrainingConfig(learning_rate=LearningRate(**settings)),
            ),
            context=new_context(),
            hardware=hardware,
        )

    return find


def test_the_model_and_the_random_generators_are_left_as_they_were(toy: type[Any], find: Find) -> None:
    task = toy(dropout=0.5)
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    drawn = torch.get_rng_state(), np.random.get_state(), random.getstate()

    suggestion = find(task)

    assert suggestion.learning_rate is not None
    assert torch.equal(drawn[0], torch.get_rng_state())
    np.testing.assert_equal(np.random.get_state(), drawn[1])
    assert random.getstate() == drawn[2]
    assert all(torch.equal(before[name], tensor) for name, tensor in task.model.state_dict().items())
    assert all(parameter.grad is None for parameter in task.model.parameters())


def test_a_training_begun_before_the_test_goes_on_as_if_there_had_been_none(
    toy: type[Any], find: Find, hardware: Hardware
) -> None:
    interrupted, other = toy(), toy()

    for task in (interrupted, other):
        stepper = Stepper(task, labels=task.labels, config=TrainingConfig(), hardware=hardware, events=None)
        stepper.step([np.arange(8)], learning_rate=0.01)
        if task is interrupted:
            find(task)
        stepper.step([np.arange(8, 16)], learning_rate=0.01)

    pairs = zip(interrupted.model.parameters(), other.model.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_one_multiplier_moves_all_groups_so_that_their_ratios_stay(
    toy: type[Any], find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[float]] = []
    made = optimization.make_optimizer

    def watched(*given: Any) -> torch.optim.Optimizer:
        optimizer = made(*given)
        optimizer.register_step_pre_hook(lambda *_: seen.append([entry["lr"] for entry in optimizer.param_groups]))
        return optimizer

    monkeypatch.setattr(optimization, "make_optimizer", watched)
    find(toy(), finder_max=1e-3, finder_steps=30)

    rates = np.geomspace(1e-6, 1e-3, 30)
    np.testing.assert_allclose(seen, np.stack([0.5 * rates, rates], axis=1), rtol=1e-12)
    assert all(body / head == 0.5 for body, head in seen)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_the_test_ends_with_the_first_step_that_is_not_finite(toy: type[Any], find: Find, broken: float) -> None:
    task = toy()
    load = task.load_batch

    def load_until_broken(rows: Any) -> Any:
        batch = load(rows)
        return batch * broken if len(task.seen) == 13 else batch

    task.load_batch = load_until_broken
    suggestion = find(task)

    assert len(task.seen) == 13
    assert suggestion.reason


def test_a_gradient_that_is_not_finite_ends_the_test_too(toy: type[Any], find: Find) -> None:
    task = toy()
    task.model[3].weight.register_hook(lambda gradient: gradient * math.inf)

    suggestion = find(task)

    assert len(task.seen) == 1
    assert (suggestion.learning_rate, suggestion.reason) == (None, "the loss was finite on 0 steps")


def test_how_rare_labels_fall_into_batches_is_not_taken_for_learning(find: Find, toy: Any) -> None:
    task = toy()
    # It sees nothing, begins with the prevalence of the rows, 6 in 120, and hardly moves from there.
    task.inputs.zero_()
    torch.nn.init.zeros_(task.model[0].bias)
    task.labels = (np.arange(len(task.labels)) % 20 == 0).astype(np.int64)
    start_at_prior(task.model[3], task.labels[:120], TrainingConfig())

    suggestion = find(task, finder_min=1e-9, finder_max=1e-7, finder_steps=60)

    assert suggestion.learning_rate is None
    fell = re.match(r"no valley: the loss fell by (\S+),", suggestion.reason)
    assert fell is not None
    assert float(fell[1]) < 1e-5
