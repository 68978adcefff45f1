"""Collapse: a model that trains without an error and still predicts nothing useful, classified by cause."""

# Shapes: R rows, C classes (2).
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.results import Collapse, CollapseType
from trainers.engine.metrics import auroc, best_threshold, cross_entropy, f1_score, margins, sigmoid
from trainers.engine.optimization import StepReport

CONSTANT_MARGIN_SD = 1e-4
# Stuck at the prior: a loss within 1 % of the prior's entropy, from log-odds that hardly differ. In log-odds, since the
# probabilities of a model that learns differ by the less, the rarer vulnerable functions are: one with an AUROC of 0.55
# has log-odds with a deviation of 0.18 at any prevalence (bench/weak_models.py).
PRIOR_ENTROPY_SHARE = 0.99
PRIOR_MARGIN_SD = 0.08
# So much more than the loss of a constant predictor, that of a weak model is by no chance.
WORSE_THAN_CONSTANT = 1.1
# Certain of one answer for every function: probabilities that hardly differ, all near 0 or all near 1.
CERTAIN_PROBABILITY_SD = 0.02
CERTAIN_VARIANCE = 0.02
CONSTANT_PREDICTIONS: frozenset[CollapseType] = frozenset({"single_class", "zero_f1", "prior_entropy"})
# An AUROC this many standard errors from one half is not chance: 1 in 20 that are would be taken for more.
CHANCE_DEVIATIONS = 2.0
# Nearer than this, predictions of one class say nothing even in their order.
NO_RANKING_DEVIATIONS = 0.5


def detect_prediction_collapse(
    labels: NDArray[np.integer], logits: NDArray[np.floating], *, step: int
) -> list[Collapse]:
    """Return the ways in which these predictions are useless; empty when they are of use.

    The class is judged both at 0.5 and at the best threshold for F1: at 5 % prevalence a good ranking may have every
    probability below 0.5, and all-positive is a fair F1 (0.63 at Devign's prevalence), so neither alone will do. A weak
    model that learns may do both, and rank by chance on few vulnerable functions: what shows that a model is of no use
    is that a constant predictor would do no worse.

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
    constant = _constant_loss(labels_R)
    worthless = _is_worth_a_constant(labels_R, margin_R, constant)
    tuned_R = probability_R >= best_threshold(labels_R, probability_R)
    half_R = probability_R >= 0.5
    if worthless and _single(tuned_R) and _single(half_R):
        name = "vulnerable" if half_R[0] else "not vulnerable"
        found.append(_collapse("single_class", "logits", step, f"every function is called {name} at 0.5"))
    found_none = labels_R.sum() > 0 and f1_score(labels_R, half_R) == 0
    if worthless and found_none and _is_ranked_by_chance(labels_R, margin_R):
        found.append(_collapse("zero_f1", "logits", step, "no vulnerable function is found, and none ranks higher"))
    if constant > 0 and (
        _is_stuck_at_prior(labels_R, margin_R, constant) or _is_certain(labels_R, margin_R, probability_R, constant)
    ):
        loss = cross_entropy(labels_R, margin_R)
        detail = f"loss {loss:.4f} against the prior's {constant:.4f}; the log-odds' deviation is {spread:.4f}"
        found.append(_collapse("prior_entropy", "logits", step, detail))
    return found


def is_constant(labels: NDArray[np.integer], logits: NDArray[np.floating], collapses: Sequence[Collapse]) -> bool:
    """Return whether a model says the same of every function, rather than little of each as one that still learns.

    A model from scratch may be near to the prior for some epochs and rank better than chance all the while.

    Args:
        labels: (R,), 0 or 1.
        logits: (R, 2), finite.
        collapses: Found in them.
    """
    kinds = {collapse.type for collapse in collapses}
    if "constant_logits" in kinds:
        return True
    by_chance = _is_ranked_by_chance(labels.astype(np.int64), margins(logits), deviations=CHANCE_DEVIATIONS)
    return by_chance and bool(kinds & CONSTANT_PREDICTIONS)


def find_non_finite(report: StepReport, *, step: int) -> list[Collapse]:
    """Return the components whose gradient is NaN or Inf, or the loss when it alone is."""
    found = [
        _collapse("non_finite", component, step, f"its gradient norm is {norm}")
        for component, norm in report.norms.components.items()
        if not math.isfinite(norm)
    ]
    return found or [_collapse("non_finite", "loss", step, f"the loss is {report.loss}")]


def _single(predicted_R: NDArray[np.bool_]) -> bool:
    return bool(predicted_R.all() or not predicted_R.any())


def _is_ranked_by_chance(
    labels_R: NDArray[np.int64], margin_R: NDArray[np.float64], *, deviations: float = NO_RANKING_DEVIATIONS
) -> bool:
    """Whether the AUROC is within some standard errors of one half, were the labels drawn at random.

    Source:
        Mann and Whitney 1947, doi 10.1214/aoms/1177730491, the variance of U.
    """
    ranking = auroc(labels_R, margin_R)
    if ranking is None:
        return True
    positives = int(labels_R.sum())
    negatives = len(labels_R) - positives
    return abs(ranking - 0.5) <= deviations * math.sqrt((len(labels_R) + 1) / (12 * positives * negatives))


def _constant_loss(labels_R: NDArray[np.int64]) -> float:
    """Return the loss of the best constant predictor, the entropy of the prior, in nats; 0 with a single class."""
    prevalence = float(labels_R.mean())
    if not 0 < prevalence < 1:
        return 0.0
    return -(prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence))


def _is_worth_a_constant(labels_R: NDArray[np.int64], margin_R: NDArray[np.float64], constant: float) -> bool:
    """Whether a constant predictor does no worse: the log-odds hardly differ, or the loss is clearly above its."""
    hardly_differs = float(margin_R.std()) <= PRIOR_MARGIN_SD
    return hardly_differs or cross_entropy(labels_R, margin_R) >= WORSE_THAN_CONSTANT * constant


def _is_stuck_at_prior(labels_R: NDArray[np.int64], margin_R: NDArray[np.float64], constant: float) -> bool:
    """Whether the model says little more than the prevalence, and ranks as a constant predictor might."""
    if float(margin_R.std()) > PRIOR_MARGIN_SD or cross_entropy(labels_R, margin_R) < PRIOR_ENTROPY_SHARE * constant:
        return False
    return _is_ranked_by_chance(labels_R, margin_R, deviations=CHANCE_DEVIATIONS)


def _is_certain(
    labels_R: NDArray[np.int64], margin_R: NDArray[np.float64], probability_R: NDArray[np.float64], constant: float
) -> bool:
    """Whether the model is certain of one answer for every function, and a constant predictor clearly does better."""
    variance = float((probability_R * (1 - probability_R)).mean())
    certain = float(probability_R.std()) <= CERTAIN_PROBABILITY_SD and variance <= CERTAIN_VARIANCE
    return certain and cross_entropy(labels_R, margin_R) >= WORSE_THAN_CONSTANT * constant


def _collapse(kind: CollapseType, component: str, step: int, detail: str) -> Collapse:
    return Collapse(type=kind, component=component, step=step, detail=detail)
