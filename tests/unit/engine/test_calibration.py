"""Temperature scaling."""

import numpy as np
import pytest

from trainers.engine.calibration import (
    LOWEST,
    SUREST,
    fit_temperature,
    fit_temperature_unsmoothed,
    smoothed_labels,
)
from trainers.engine.metrics import cross_entropy, margins, probabilities


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_it_finds_the_temperature_that_the_labels_were_drawn_at(truth: float) -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 3, 20_000)
    labels = (rng.random(len(margin)) < 1 / (1 + np.exp(-margin / truth))).astype(np.int64)
    logits = np.stack([np.zeros_like(margin), margin], axis=1)

    assert fit_temperature(labels, logits) == pytest.approx(truth, rel=0.05)


def test_it_never_makes_the_loss_much_worse_than_the_temperature_of_the_labels_as_they_are() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (50, 2))
    labels = rng.integers(0, 2, 50)

    smoothed, plain = (
        cross_entropy(labels, margins(logits) / fit(labels, logits))
        for fit in (fit_temperature, fit_temperature_unsmoothed)
    )

    assert plain <= cross_entropy(labels, margins(logits)) + 1e-9
    assert plain <= smoothed + 1e-9 <= plain + 1e-3


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0, 1e4])
@pytest.mark.parametrize("rows", [2, 600])
def test_where_every_row_is_right_the_probabilities_are_as_sure_as_their_number_allows(scale: float, rows: int) -> None:
    labels = np.arange(rows) % 2
    logits = np.outer(labels - 0.5, [-1.0, 1.0]) * scale

    probability = probabilities(logits, temperature=fit_temperature(labels, logits))

    # A margin of 0.01 reaches no more at the lowest temperature that there is.
    surest = min((rows / 2 + 0.1) / (rows / 2 + 0.2), 1 / (1 + np.exp(-scale / LOWEST)))
    assert probability[labels == 1] == pytest.approx(surest, abs=1e-6)
    assert probability[labels == 0] == pytest.approx(1 - surest, abs=1e-6)


def test_one_logit_far_above_the_others_still_has_a_probability_below_one() -> None:
    labels = np.arange(600) % 2
    logits = np.outer(labels - 0.5, [-1.0, 1.0])
    logits[-1] *= 50

    assert margins(logits).max() / fit_temperature(labels, logits) == pytest.approx(SUREST, rel=1e-6)
    assert probabilities(logits, temperature=fit_temperature(labels, logits)).max() < 1


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_label_and_logits_that_are_all_alike_have_a_temperature(label: int) -> None:
    logits = np.array([[0.0, 1.0], [0.0, 2.0]])

    assert np.isfinite(fit_temperature(np.array([label, label]), logits))
    assert np.isfinite(fit_temperature(np.array([label, 1 - label]), np.zeros((2, 2))))


def test_labels_are_smoothed_by_a_tenth_of_a_function_of_either_label() -> None:
    assert smoothed_labels(np.array([1, 1, 1, 0])) == pytest.approx([3.1 / 3.2] * 3 + [0.1 / 1.2])
    assert smoothed_labels(np.array([1])) == pytest.approx([1.1 / 1.2])
