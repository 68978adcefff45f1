"""Temperature scaling: one number that makes the probabilities honest, fitted on dev."""

# Shapes: R rows, C classes (2).
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from trainers.engine.metrics import Floats, Integers, cross_entropy, margins

LOWEST, HIGHEST = 0.05, 20.0
# Returns the temperature, from labels and logits.
FitTemperature = Callable[[NDArray[np.integer], NDArray[np.floating]], float]
# Of 1 / temperature; the loss is flat there to more digits than a probability is given with.
TOLERANCE = 1e-10
# Functions of either label that are assumed beside those of dev. Platt has one: on the generated data that costs
# .0025 of calibration error, a tenth costs none.
ASSUMED = 0.1
# Log-odds of the surest verdict on dev. From 37 on a probability is 1; functions that are not in dev may be surer.
SUREST = 27.0


def fit_temperature(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    """Return the temperature with the least cross-entropy to smoothed labels, at least 0.05.

    At most 20, or the largest difference of two logits if that is more; and never so low that a probability of these
    rows is rounded to 0 or 1, however well the logits tell their labels apart.

    Args:
        labels: (R,), 0 or 1; at least one row.
        logits: (R, 2), finite.

    Source:
        Guo et al. 2017, arXiv 1706.04599, section 4.2, with the targets of `smoothed_labels`. The loss is convex in
        1 / temperature, so it has one minimum.
    """
    margin_R = margins(logits)
    target_R = smoothed_labels(labels.astype(np.int64))
    # Margins that are all 0 have no surest.
    surest = max(float(np.abs(margin_R).max()), SUREST * LOWEST)
    least, most = min(1 / HIGHEST, 1 / surest), SUREST / surest
    found = minimize_scalar(
        lambda inverse: float((np.logaddexp(0.0, margin_R * inverse) - target_R * margin_R * inverse).mean()),
        bounds=(least, most),
        method="bounded",
        options={"xatol": TOLERANCE * most},
    )
    return float(1 / found.x)


def fit_temperature_unsmoothed(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    """Return the temperature as releases up to 0.2 fitted it, in [0.05, 20]: to verify what they stored.

    Args:
        labels: (R,), 0 or 1.
        logits: (R, 2), finite.
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


def smoothed_labels(labels_R: Integers) -> Floats:
    """Return what probabilities are fitted to instead of 0 and 1, (R,): the labels, a few of which may be wrong.

    Of N functions with a label, (N + a) / (N + 2a) is the chance that the next one of their kind has it too, for a
    assumed functions of either label: never 1, so no fit grows without end where it tells all labels apart.

    Source:
        Platt 1999, Probabilistic outputs for support vector machines, section 2.2, with a = 1.
    """
    positives = int(np.count_nonzero(labels_R == 1))
    negatives = len(labels_R) - positives
    return np.where(
        labels_R == 1,
        (positives + ASSUMED) / (positives + 2 * ASSUMED),
        ASSUMED / (negatives + 2 * ASSUMED),
    )
