"""The score that early stopping compares, and the other metrics of an evaluation on dev."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.engine.metrics import best_threshold, compute_metrics, probabilities


@dataclass(frozen=True, kw_only=True)
class DevScore:
    """One evaluation's scores.

    Args:
        order: To be compared item by item, the greater the better: AUROC, then the lower loss.
        values: By metric key; F1 and its like at the threshold that dev likes best.
    """

    order: list[float]
    values: dict[str, float]


def score_dev(labels_R: NDArray[np.int64], logits_RC: NDArray[np.float32]) -> DevScore:
    """Return the scores of these predictions.

    AUROC decides, not F1: it needs no threshold, and on a few hundred dev rows the best F1 jumps by its own noise. On
    an easy data set the ranking is perfect long before the probabilities are: then the loss decides.

    Args:
        labels_R: 0 or 1.
        logits_RC: Uncalibrated.
    """
    threshold = best_threshold(labels_R, probabilities(logits_RC))
    metrics = compute_metrics(labels_R, logits_RC, threshold=threshold, temperature=1.0)
    values = {"dev/f1": metrics.f1, "dev/loss": metrics.loss, "dev/accuracy": metrics.accuracy}
    values |= {"dev/mcc": metrics.mcc, "dev/precision": metrics.precision, "dev/recall": metrics.recall}
    ranking = {"dev/auroc": metrics.auroc, "dev/auprc": metrics.auprc}
    values |= {name: value for name, value in ranking.items() if value is not None}
    return DevScore(order=[0.0 if metrics.auroc is None else metrics.auroc, -metrics.loss], values=values)
