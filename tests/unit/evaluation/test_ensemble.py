"""The ensemble's log-odds and the weight that is tuned."""

import numpy as np
import pytest

from trainers.engine.metrics import Floats, expected_calibration_error, sigmoid
from trainers.evaluation.ensemble import ensemble_log_odds, log_odds_of_mean, temperature_of, tune_text_weight


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.6, 1.0])
def test_the_ensemble_is_the_weighted_mean_of_the_two_probabilities(weight: float) -> None:
    text_R, graph_R = np.array([-3.0, 0.0, 2.0]), np.array([1.0, -4.0, 2.5])

    mixed_R = sigmoid(ensemble_log_odds(text_R, graph_R, text_weight=weight))

    np.testing.assert_allclose(mixed_R, weight * sigmoid(text_R) + (1 - weight) * sigmoid(graph_R), rtol=1e-12)


def test_by_hand_six_tenths_of_0_9_and_four_tenths_of_0_5_are_0_74() -> None:
    log_odds_R = ensemble_log_odds(np.log([9.0]), np.array([0.0]), text_weight=0.6)

    assert log_odds_R[0] == pytest.approx(np.log(0.74 / 0.26))


def test_log_odds_stay_finite_where_probabilities_round_to_one() -> None:
    log_odds_R = ensemble_log_odds(np.array([800.0, -800.0]), np.array([800.0, -800.0]), text_weight=0.6)

    np.testing.assert_allclose(log_odds_R, [800.0, -800.0])


def test_the_tuned_weight_is_that_of_the_model_which_knows() -> None:
    labels_R = np.array([0, 1] * 50)
    knows_R, guesses_R = 4.0 * (2 * labels_R - 1), np.random.default_rng(0).normal(size=100) * 4

    assert tune_text_weight(labels_R, knows_R, guesses_R) == 1.0
    assert tune_text_weight(labels_R, guesses_R, knows_R) == 0.0


def test_seeds_are_averaged_as_probabilities() -> None:
    log_odds_SF = np.log(np.array([[0.2 / 0.8, 0.9 / 0.1], [0.6 / 0.4, 0.5 / 0.5]]))

    mean_F = log_odds_of_mean(log_odds_SF)

    np.testing.assert_allclose(mean_F, np.log([0.4 / 0.6, 0.7 / 0.3]), rtol=1e-12)


def test_probabilities_that_round_to_one_still_have_log_odds() -> None:
    # The mean of 1 - e^-800 and 1 - e^-801, whose log-odds are those of (e^-800 + e^-801) / 2.
    mean_F = log_odds_of_mean(np.array([[800.0], [801.0]]))

    assert mean_F[0] == pytest.approx(800 - np.log((1 + np.exp(-1)) / 2), rel=1e-12)


def test_the_mean_of_two_calibrated_models_is_calibrated_by_its_own_temperature() -> None:
    rng = np.random.default_rng(0)
    labels_R = rng.integers(0, 2, 20_000)
    # Two models with evidence of their own, each with the log-odds that its normal classes give.
    text_R, graph_R = (2.0 * (2.0 * (labels_R - 0.5) + rng.normal(size=len(labels_R))) for _ in range(2))
    mixed_R = ensemble_log_odds(text_R, graph_R, text_weight=0.6)
    dev, gate = slice(0, 10_000), slice(10_000, None)

    def gap(log_odds_R: Floats) -> float:
        return expected_calibration_error(labels_R[gate], sigmoid(log_odds_R[gate]))

    temperature = temperature_of(labels_R[dev], mixed_R[dev])

    assert gap(text_R) < 0.02
    assert gap(mixed_R) > 0.04
    assert gap(mixed_R / temperature) < 0.02
