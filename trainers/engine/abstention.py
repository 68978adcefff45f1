"""Margins around a model's threshold within which it gives no verdict: what dev says of each, and what comes of it."""

# Shapes: R rows of a split.
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from cellgate.contract.results import MarginScores
from trainers.engine.metrics import Floats, Integers, sigmoid

Booleans = NDArray[np.bool_]
# Shares of the functions that a margin may leave with a verdict, the most first.
COVERAGES = tuple(place / 20 for place in range(20, 0, -1))
# How sure dev must be that the risk holds.
CONFIDENCE = 0.95
# No threshold is farther from the middle, in log-odds.
FARTHEST = 30.0


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """A model's calls of one split.

    Args:
        distance_R: How far each row is from the threshold, in log-odds: how sure its verdict is.
        wrong_R: Whether its verdict is wrong.
    """

    distance_R: Floats
    wrong_R: Booleans

    @classmethod
    def of(cls, labels_R: Integers, log_odds_R: Floats, threshold: float) -> "Verdicts":
        """Return the calls.

        Args:
            labels_R: 0 or 1.
            log_odds_R: Calibrated.
            threshold: On the probability, 0 to 1.
        """
        wrong_R = (sigmoid(log_odds_R) >= threshold) != (labels_R == 1)
        return cls(distance_R=distances(log_odds_R, threshold), wrong_R=wrong_R)


@dataclass(frozen=True, kw_only=True)
class Margin:
    """One margin, and the upper bound on dev of the share of wrong verdicts beyond it."""

    width: float
    risk_bound: float


def distances(log_odds_R: Floats, threshold: float) -> Floats:
    """Return how far each row is from the threshold, in log-odds, (R,): how sure its verdict is.

    Args:
        log_odds_R: Calibrated.
        threshold: On the probability, 0 to 1.
    """
    return np.abs(log_odds_R - log_odds_of(threshold))


def log_odds_of(threshold: float) -> float:
    """Return a threshold in log-odds, at most `FARTHEST` from 0."""
    if not 0 < threshold < 1:
        return math.copysign(FARTHEST, threshold - 0.5)
    return max(-FARTHEST, min(FARTHEST, math.log(threshold / (1 - threshold))))


def bounded_margins(dev: Verdicts) -> list[Margin]:
    """Return a margin for each of `COVERAGES`, the least first, each with the bound of its risk.

    The confidence is shared among all margins. Rows are taken for independent, and the threshold for fixed.

    Args:
        dev: At least one row, of the split that fixes the margin.

    Source:
        Geifman and El-Yaniv 2017, arXiv:1705.08500, algorithm 1 (selection with guaranteed risk control), with the
        bound of Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404.
    """
    falling_R = np.sort(dev.distance_R)[::-1]
    margins = []
    for coverage in COVERAGES:
        width = 0.0 if coverage == 1 else float(falling_R[math.ceil(coverage * len(falling_R)) - 1])
        kept_R = dev.distance_R >= width
        kept, mistakes = int(kept_R.sum()), int((kept_R & dev.wrong_R).sum())
        # Of nothing but mistakes the bound is that all are.
        share = (
            beta.ppf(1 - (1 - CONFIDENCE) / len(COVERAGES), mistakes + 1, kept - mistakes) if mistakes < kept else 1.0
        )
        margins.append(Margin(width=width, risk_bound=float(share)))
    return margins


def scores_by_margin(dev: Verdicts, judged: Verdicts) -> list[MarginScores]:
    """Return what each margin that dev bounds leaves of another split's verdicts; nothing where one has no rows."""
    if not len(dev.wrong_R) or not len(judged.wrong_R):
        return []
    return [_scores(margin, judged) for margin in bounded_margins(dev)]


def _scores(margin: Margin, judged: Verdicts) -> MarginScores:
    kept_R = judged.distance_R >= margin.width
    kept = int(kept_R.sum())
    return MarginScores(
        margin=margin.width,
        risk_bound=margin.risk_bound,
        coverage=kept / len(kept_R),
        risk=int((kept_R & judged.wrong_R).sum()) / kept if kept else None,
    )
