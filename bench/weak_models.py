"""How often a weak model that learns is called collapsed: `python -m bench.weak_models [--evaluations 300]`.

Models are drawn whose ranking is weak by construction (an AUROC of 0.55 or 0.6), at prevalences from 1 to 50 %, with
log-odds that are right, half as far or twice as far apart as they should be. Every evaluation counts in which anything
is found. Below them models without use, which should be found.
"""

# Shapes: R rows of dev.
import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtri

from trainers.engine.collapse import detect_prediction_collapse

PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
RANKINGS = (0.55, 0.6)
CONFIDENCES = (0.5, 1.0, 2.0)
# Log-odds of models without use, by their deviation: stuck at the prior.
STUCK = (0.01, 0.05)


def draw_labels(prevalence: float, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return labels, (R,), of which exactly so many are 1."""
    labels_R = np.zeros(rows, dtype=np.int64)
    labels_R[: max(1, round(prevalence * rows))] = 1
    return rng.permutation(labels_R)


def weak_margins(
    labels_R: NDArray[np.int64], ranking: float, confidence: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return log-odds of two normal classes, (R,).

    Args:
        labels_R: 0 or 1, both.
        ranking: Expected AUROC.
        confidence: How far apart log-odds are, of how far they should be.

    Source:
        Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747: an AUROC of Phi(d / sqrt(2)).
    """
    apart = float(np.sqrt(2) * ndtri(ranking))
    evidence_R = apart * (rng.normal(size=len(labels_R)) + apart * (labels_R - 0.5))
    margin_R: NDArray[np.float64] = logit(labels_R.mean()) + confidence * evidence_R
    return margin_R


def is_called_collapsed(labels_R: NDArray[np.int64], margin_R: NDArray[np.float64]) -> bool:
    """Return whether anything is found."""
    logits_RC = np.stack([np.zeros_like(margin_R), margin_R], axis=1)
    return bool(detect_prediction_collapse(labels_R, logits_RC, step=1))


def rate(
    prevalence: float, *, ranking: float | None, confidence: float, rows: int, evaluations: int, seed: int = 0
) -> float:
    """Return the share of evaluations in which something is found.

    Args:
        ranking: Expected AUROC; None: a model stuck at the prior.
        confidence: As of `weak_margins`; of a model that is stuck, the deviation of its log-odds.
    """
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(evaluations):
        labels_R = draw_labels(prevalence, rows, rng)
        if ranking is None:
            margin_R = logit(labels_R.mean()) + confidence * rng.normal(size=rows)
        else:
            margin_R = weak_margins(labels_R, ranking, confidence, rng)
        found += is_called_collapsed(labels_R, margin_R)
    return found / evaluations


def main() -> None:
    """Print a row per prevalence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=300, help="of each model")
    parser.add_argument("--rows", type=int, default=1000, help="of dev")
    options = parser.parse_args()
    weak = [(ranking, confidence) for ranking in RANKINGS for confidence in CONFIDENCES]
    names = [f"AUROC {ranking}, x {confidence:g}" for ranking, confidence in weak]
    names += [f"stuck, deviation {deviation}" for deviation in STUCK]
    print(f"| vulnerable | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    models: list[tuple[float | None, float]] = [*weak, *((None, deviation) for deviation in STUCK)]
    for prevalence in PREVALENCES:
        rates = [
            rate(
                prevalence,
                ranking=ranking,
                confidence=confidence,
                rows=options.rows,
                evaluations=options.evaluations,
            )
            for ranking, confidence in models
        ]
        print(f"| {prevalence:.0%} | {' | '.join(f'{found:.3f}' for found in rates)} |", flush=True)


if __name__ == "__main__":
    main()
