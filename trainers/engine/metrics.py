"""Scores of a binary classifier from its logits, in NumPy alone."""

# Shapes: R rows, C classes (2), K distinct scores.
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.results import Metrics
from trainers.engine.pairs import pair_shares

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ECE_BINS = 15
VD_S_MAX_FPR = 0.005


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of the four outcomes."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        """Share of the predicted positives that are right; 0 when there are none."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the positives that are found; 0 when there are none."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 without a true positive."""
        return _ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)

    @property
    def accuracy(self) -> float:
        """Share of the rows that are right."""
        right = self.true_positives + self.true_negatives
        return _ratio(right, right + self.false_positives + self.false_negatives)

    @property
    def mcc(self) -> float:
        """Matthews correlation coefficient; 0 where it is undefined."""
        tp, fp, tn, fn = (
            float(self.true_positives),
            float(self.false_positives),
            float(self.true_negatives),
            float(self.false_negatives),
        )
        # The root of each pair first: the product of all four overflows for large sets.
        scale = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
        return float(np.clip((tp * tn - fp * fn) / scale, -1, 1)) if scale else 0.0


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def margins(logits_RC: NDArray[np.floating]) -> Floats:
    """Return the log-odds of the positive class, (R,), float64."""
    return logits_RC[:, 1].astype(np.float64) - logits_RC[:, 0].astype(np.float64)


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -values))


def probabilities(logits_RC: NDArray[np.floating], *, temperature: float = 1.0) -> Floats:
    """Return the calibrated probability of the positive class, (R,)."""
    return sigmoid(margins(logits_RC) / temperature)


def cross_entropy(labels_R: Integers, probability_logits_R: Floats) -> float:
    """Return the mean negative log-likelihood, in nats.

    Args:
        probability_logits_R: Log-odds of the positive class.
    """
    return float(np.logaddexp(0.0, np.where(labels_R == 1, -probability_logits_R, probability_logits_R)).mean())


def confusion(labels_R: Integers, predicted_R: NDArray[np.bool_]) -> Confusion:
    """Count the four outcomes."""
    positive_R = labels_R == 1
    true_positives = int(np.count_nonzero(positive_R & predicted_R))
    false_positives = int(np.count_nonzero(~positive_R & predicted_R))
    positives = int(np.count_nonzero(positive_R))
    return Confusion(
        true_positives=true_positives,
        false_positives=false_positives,
        true_negatives=len(labels_R) - positives - false_positives,
        false_negatives=positives - true_positives,
    )


def f1_score(labels_R: Integers, predicted_R: NDArray[np.bool_]) -> float:
    """Return the F1 of the positive class; 0 without a true positive."""
    return confusion(labels_R, predicted_R).f1


def all_positive_f1(labels_R: Integers) -> float:
    """Return the F1 of calling everything vulnerable: 2p / (1 + p) at prevalence p."""
    positives = int(np.count_nonzero(labels_R == 1))
    return _ratio(2 * positives, positives + len(labels_R))


def counts_by_score(labels_R: Integers, scores_R: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the distinct scores, falling, with the positives and negatives at or above each, (K,) each."""
    order_R = np.argsort(-scores_R, kind="stable")
    sorted_R = scores_R[order_R]
    last_K = np.flatnonzero(np.append(sorted_R[1:] != sorted_R[:-1], True))
    positives_R = np.cumsum(labels_R[order_R] == 1)
    return (
        sorted_R[last_K],
        positives_R[last_K].astype(np.float64),
        (last_K + 1 - positives_R[last_K]).astype(np.float64),
    )


def auroc(labels_R: Integers, scores_R: Floats) -> float | None:
    """Return the area under the ROC curve, ties counted half; null with a single class.

    Source:
        Mann-Whitney U, Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.
    """
    _, tp_K, fp_K = counts_by_score(labels_R, scores_R)
    positives, negatives = tp_K[-1], fp_K[-1]
    if not positives or not negatives:
        return None
    return float(np.trapezoid(np.append(0.0, tp_K), np.append(0.0, fp_K)) / (positives * negatives))


def auprc(labels_R: Integers, scores_R: Floats) -> float | None:
    """Return the average precision, sum of precision times the gain in recall; null without a positive.

    Source:
        Davis and Goadrich 2006, doi 10.1145/1143844.1143874 (no linear interpolation between points).
    """
    _, tp_K, fp_K = counts_by_score(labels_R, scores_R)
    if not tp_K[-1]:
        return None
    precision_K = tp_K / (tp_K + fp_K)
    gain_K = np.diff(np.append(0.0, tp_K)) / tp_K[-1]
    return float(min(1.0, (precision_K * gain_K).sum()))


def expected_calibration_error(labels_R: Integers, probability_R: Floats, *, bins: int = ECE_BINS) -> float:
    """Return the mean gap between the probability and the share of positives, over bins of equal width.

    Args:
        labels_R: 0 or 1.
        probability_R: Of the positive class, 0 to 1.
        bins: Number of bins between 0 and 1.

    Source:
        Guo et al. 2017, arXiv 1706.04599, equation 3, for the positive class.
    """
    bin_R = np.minimum((probability_R * bins).astype(np.int64), bins - 1)
    expected = np.bincount(bin_R, weights=probability_R, minlength=bins)
    found = np.bincount(bin_R, weights=(labels_R == 1).astype(np.float64), minlength=bins)
    return float(np.abs(expected - found).sum() / len(labels_R))


def vulnerability_detection_score(labels_R: Integers, scores_R: Floats) -> float | None:
    """Return VD-S, the share of vulnerable functions missed at a false-positive rate of at most 0.5 %.

    Null with a single class. Lower is better.

    Source:
        Ding et al. 2024 (PrimeVul), arXiv 2403.18624, section 4.
    """
    _, tp_K, fp_K = counts_by_score(labels_R, scores_R)
    if not tp_K[-1] or not fp_K[-1]:
        return None
    allowed_K = fp_K / fp_K[-1] <= VD_S_MAX_FPR
    found = tp_K[allowed_K].max() if allowed_K.any() else 0.0
    return float(1 - found / tp_K[-1])


def best_threshold(labels_R: Integers, probability_R: Floats) -> float:
    """Return the threshold with the best F1, in the middle of the gap to the next lower score.

    Predicted positive means probability >= threshold. Of equally good thresholds the highest is taken.
    """
    score_K, tp_K, fp_K = counts_by_score(labels_R, probability_R)
    if not tp_K[-1]:
        return 0.5
    f1_K = 2 * tp_K / (tp_K + fp_K + tp_K[-1])
    best = int(np.argmax(f1_K))
    below = score_K[best + 1] if best + 1 < len(score_K) else 0.0
    middle = (score_K[best] + below) / 2
    # Scores one float apart: their middle may be rounded down onto the lower one.
    return float(middle if middle > below else score_K[best])


def compute_metrics(
    labels: NDArray[np.integer],
    logits: NDArray[np.floating],
    *,
    threshold: float,
    temperature: float,
    pairs: Sequence[str | None] | None = None,
) -> Metrics:
    """Return every score of one split.

    Args:
        labels: (R,), 0 or 1; at least one row.
        logits: (R, 2), finite, not yet divided by the temperature.
        threshold: On the calibrated probability; at or above it is positive.
        temperature: Above 0.
        pairs: The pair of each row, if any.
    """
    labels_R = labels.astype(np.int64)
    logit_R = margins(logits) / temperature
    probability_R = sigmoid(logit_R)
    predicted_R = probability_R >= threshold
    counts = confusion(labels_R, predicted_R)
    of_pairs = pair_shares(labels_R, predicted_R, pairs or ())
    return Metrics(
        rows=len(labels_R),
        positives=int(labels_R.sum()),
        loss=cross_entropy(labels_R, logit_R),
        accuracy=counts.accuracy,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        mcc=counts.mcc,
        # Ranked by log-odds: probabilities near 1 round to ties.
        auroc=auroc(labels_R, logit_R),
        auprc=auprc(labels_R, logit_R),
        ece=expected_calibration_error(labels_R, probability_R),
        vd_s=vulnerability_detection_score(labels_R, logit_R),
        pairwise_correct=of_pairs["correct"],
        pairwise_vulnerable=of_pairs["vulnerable"],
        pairwise_benign=of_pairs["benign"],
        pairwise_reversed=of_pairs["reversed"],
        all_positive_f1=all_positive_f1(labels_R),
        true_positives=counts.true_positives,
        false_positives=counts.false_positives,
        true_negatives=counts.true_negatives,
        false_negatives=counts.false_negatives,
    )
