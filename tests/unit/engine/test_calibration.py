"""Temperature scaling."""

import numpy as np
import pytest

from trainers.engine.calibration import HIGHEST, LOWEST, fit_temperature
from trainers.engine.metrics import cross_entropy, margins


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_it_finds_the_temperature_that_the_labels_were_drawn_at(truth: float) -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 3, 20_000)
    labels = (rng.random(len(margin)) < 1 / (1 + np.exp(-margin / truth))).astype(np.int64)
    logits = np.stack([np.zeros_like(margin), margin], axis=1)

    assert fit_temperature(labels, logits) == pytest.approx(truth, rel=0.05)


def test_it_never_makes_the_loss_worse() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (50, 2))
    labels = rng.integers(0, 2, 50)

    temperature = fit_temperature(labels, logits)

    assert cross_entropy(labels, margins(logits) / temperature) <= cross_entropy(labels, margins(logits)) + 1e-9


def test_it_stays_finite_when_every_row_is_right() -> None:
    temperature = fit_temperature(np.array([0, 1]), np.array([[5.0, -5.0], [-5.0, 5.0]]))

    assert LOWEST <= temperature <= HIGHEST
