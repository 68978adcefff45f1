"""How far probabilities can be believed, and what each threshold would give: the points of two diagrams."""

# Shapes: R rows, K distinct scores.
import numpy as np

from cellgate.contract.report import CurvePoint, ReliabilityBin
from trainers.engine.metrics import ECE_BINS, Floats, Integers, counts_by_score

MAX_CURVE_POINTS = 100


def equal_mass_bins(labels_R: Integers, probability_R: Floats, *, bins: int = ECE_BINS) -> list[ReliabilityBin]:
    """Return bins of as many functions each as can be, by rising probability; fewer bins where there are fewer rows.

    Args:
        labels_R: 0 or 1.
        probability_R: Of the positive class, 0 to 1.
        bins: How many at most.

    Source:
        Nguyen and O'Connor 2015, arXiv 1508.05154, section 3 (adaptive binning).
    """
    order_R = np.argsort(probability_R, kind="stable")
    return [
        ReliabilityBin(
            rows=len(part),
            probability=float(probability_R[part].mean()),
            vulnerable=float((labels_R[part] == 1).mean()),
        )
        for part in np.array_split(order_R, min(bins, len(order_R)))
    ]


def calibration_error(bins: list[ReliabilityBin]) -> float:
    """Return the mean gap between probability and share, weighed by the bins' functions."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.probability - one.vulnerable) for one in bins) / rows


def precision_recall_curve(labels_R: Integers, probability_R: Floats) -> list[CurvePoint]:
    """Return precision and recall at thresholds that spread over recall, from the first true positive on.

    Each point is one that a threshold gives: between two of them nothing is interpolated.
    """
    threshold_K, tp_K, fp_K = counts_by_score(labels_R, probability_R)
    found = int(np.searchsorted(tp_K, 1.0))
    if found == len(tp_K):
        return []
    threshold_K, tp_K, fp_K = threshold_K[found:], tp_K[found:], fp_K[found:]
    recall_K, precision_K = tp_K / tp_K[-1], tp_K / (tp_K + fp_K)
    wanted = np.linspace(recall_K[0], 1.0, MAX_CURVE_POINTS)
    # Of equal recall the first has the highest precision.
    places = np.unique(np.searchsorted(recall_K, wanted, side="left").clip(max=len(recall_K) - 1))
    return [
        CurvePoint(threshold=float(threshold_K[k]), recall=float(recall_K[k]), precision=float(precision_K[k]))
        for k in places.tolist()
    ]
