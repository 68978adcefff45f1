"""Collapse: a model that trains without an error and still predicts nothing useful, told apart by cause."""

# Shapes: R rows, C classes (2).
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainers.engine.metrics import best_threshold, cross_entropy, f1_score, margins, sigmoid
from trainers.results import Collapse

CONSTANT_MARGIN_SD = 1e-4
# Stuck at the prior: a loss within 1 % of the prior's entropy, from probabilities that hardly differ.
PRIOR_ENTROPY_SHARE = 0.99
PRIOR_PROBABILITY_SD = 0.02
VANISHED_GRADIENT = 1e-8
CollapseType = Literal[
    "single_class", "constant_logits", "non_finite", "zero_f1", "prior_entropy", "dead_branch", "gradient"
]


def detect_prediction_collapse(
    labels: NDArray[np.integer], logits: NDArray[np.floating], *, step: int
) -> list[Collapse]:
    """Return the ways in which these predictions are useless; empty when they are of use.

    The class is judged both at 0.5 and at the best threshold for F1: at 5 % prevalence a good ranking may have every
    probability below 0.5, and all-positive is a fair F1 (0.63 at Devign's prevalence), so neither alone will do.

    Args:
        labels: (R,), 0 or 1.
        logits: (R, 2).
        step: Optimizer steps taken.
    """
    if not np.isfinite(logits).all():
        bad = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
        return [_collapse("non_finite", "logits", step, f"{bad} of {len(logits)} rows have a NaN or Inf logit")]
    labels_R = labels.astype(np.int64)
    margin_R = margins(logits)
    probability_R = sigmoid(margin_R)
    found = []
    spread = float(margin_R.std())
    if spread < CONSTANT_MARGIN_SD:
        found.append(_collapse("constant_logits", "logits", step, f"the log-odds' deviation is {spread:.1e}"))
    tuned_R = probability_R >= best_threshold(labels_R, probability_R)
    half_R = probability_R >= 0.5
    if _single(tuned_R) and _single(half_R):
        name = "vulnerable" if half_R[0] else "not vulnerable"
        found.append(_collapse("single_class", "logits", step, f"every function is called {name} at 0.5"))
    if labels_R.sum() > 0 and f1_score(labels_R, tuned_R) == 0:
        found.append(_collapse("zero_f1", "logits", step, "no vulnerable function is found at the best threshold"))
    found.extend(_stuck_at_prior(labels_R, margin_R, probability_R, step))
    return found


def detect_gradient_collapse(peak_norms: Mapping[str, float], *, step: int) -> list[Collapse]:
    """Return the components that nothing reaches.

    Args:
        peak_norms: The largest gradient norm of each component since the last evaluation.
        step: Optimizer steps taken.
    """
    found = []
    for component, peak in peak_norms.items():
        if peak == 0:
            found.append(_collapse("dead_branch", component, step, "no gradient reached it since the last evaluation"))
        elif peak < VANISHED_GRADIENT:
            found.append(_collapse("gradient", component, step, f"its largest gradient norm was {peak:.1e}"))
    return found


def _single(predicted_R: NDArray[np.bool_]) -> bool:
    return bool(predicted_R.all() or not predicted_R.any())


def _stuck_at_prior(
    labels_R: NDArray[np.int64], margin_R: NDArray[np.float64], probability_R: NDArray[np.float64], step: int
) -> list[Collapse]:
    prevalence = float(labels_R.mean())
    if not 0 < prevalence < 1:
        return []
    entropy = -(prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence))
    loss = cross_entropy(labels_R, margin_R)
    deviation = float(probability_R.std())
    if loss < PRIOR_ENTROPY_SHARE * entropy or deviation > PRIOR_PROBABILITY_SD:
        return []
    detail = f"loss {loss:.4f} against the prior's {entropy:.4f}; the probabilities' deviation is {deviation:.4f}"
    return [_collapse("prior_entropy", "logits", step, detail)]


def _collapse(kind: CollapseType, component: str, step: int, detail: str) -> Collapse:
    return Collapse(type=kind, component=component, step=step, detail=detail)
