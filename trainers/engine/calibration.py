"""Temperature scaling: one number that makes the probabilities honest, fitted on dev."""

import numpy as np
from numpy.typing import NDArray

from trainers.engine.metrics import cross_entropy, margins

LOWEST, HIGHEST = 0.05, 20.0
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_ITERATIONS = 60


def fit_temperature(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    """Return the temperature with the least negative log-likelihood, in [0.05, 20].

    Args:
        labels: (R,), 0 or 1.
        logits: (R, 2), finite.

    Source:
        Guo et al. 2017, arXiv 1706.04599, section 4.2. The loss is convex in 1 / temperature, so a golden-section
        search over it finds the optimum.
    """
    labels_R = labels.astype(np.int64)
    margin_R = margins(logits)

    def loss(inverse: float) -> float:
        return cross_entropy(labels_R, margin_R * inverse)

    low, high = 1 / HIGHEST, 1 / LOWEST
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    for _ in range(_ITERATIONS):
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = loss(right)
    return float(2 / (low + high))
