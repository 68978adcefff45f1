"""Temperature scaling: one number that makes the probabilities honest, fitted on dev."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from trainers.engine.metrics import cross_entropy, margins

LOWEST, HIGHEST = 0.05, 20.0
# Of 1 / temperature; the loss is flat there to more digits than a probability is given with.
TOLERANCE = 1e-10


def fit_temperature(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    """Return the temperature with the least negative log-likelihood, in [0.05, 20].

    Args:
        labels: (R,), 0 or 1.
        logits: (R, 2), finite.

    Source:
        Guo et al. 2017, arXiv 1706.04599, section 4.2. The loss is convex in 1 / temperature, so it has one minimum.
    """
    labels_R = labels.astype(np.int64)
    margin_R = margins(logits)
    found = minimize_scalar(
        lambda inverse: cross_entropy(labels_R, margin_R * inverse),
        bounds=(1 / HIGHEST, 1 / LOWEST),
        method="bounded",
        options={"xatol": TOLERANCE},
    )
    return float(1 / found.x)
