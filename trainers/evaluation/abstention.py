"""Margins within which a model gives no verdict, so that few of those that it gives are wrong."""

# Shapes: R rows of a split, G groups, M models (an option of one seed each), S resamples.
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np
from scipy.stats import beta

from cellgate.contract.configs import AggregationConfig
from cellgate.contract.evidence import Abstention, CoveragePoint
from trainers.engine.metrics import Floats, Integers, sigmoid
from trainers.evaluation.statistics import Booleans, Resampled, group_draws, ratio, sum_by_group

# Shares of the functions that a margin may leave with a verdict, the most first.
COVERAGES = tuple(place / 20 for place in range(20, 0, -1))
# How sure dev must be that the risk holds.
CONFIDENCE = 0.95
# No threshold is farther from the middle, in log-odds.
FARTHEST = 30.0


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


def abstention_margin(distance_R: Floats, wrong_R: Booleans, *, risk: float) -> float | None:
    """Return the least margin of `COVERAGES` that keeps the share of wrong verdicts down; None where none does.

    A margin holds where even the upper confidence bound of the share of wrong ones among the rows that keep their
    verdict is within the risk. The confidence is shared among all margins that are tried. Rows are taken for
    independent, and the threshold for fixed.

    Args:
        distance_R: How far each row of dev is from the threshold.
        wrong_R: Whether its verdict is wrong.
        risk: Share of the verdicts that may be wrong, above 0 and below 1.

    Source:
        Geifman and El-Yaniv 2017, arXiv:1705.08500, algorithm 1 (selection with guaranteed risk control), with the
        bound of Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404.
    """
    falling_R = np.sort(distance_R)[::-1]
    for coverage in COVERAGES:
        margin = 0.0 if coverage == 1 else float(falling_R[math.ceil(coverage * len(falling_R)) - 1])
        kept_R = distance_R >= margin
        kept, mistakes = int(kept_R.sum()), int((kept_R & wrong_R).sum())
        if mistakes < kept and beta.ppf(1 - (1 - CONFIDENCE) / len(COVERAGES), mistakes + 1, kept - mistakes) <= risk:
            return margin
    return None


def risk_by_coverage(distance_R: Floats, wrong_R: Booleans) -> list[CoveragePoint]:
    """Return the share of wrong verdicts among the surest rows, for each of `COVERAGES`.

    Source:
        El-Yaniv and Wiener 2010, JMLR 11, 1605–1641 (risk-coverage curve).
    """
    wrong_R = wrong_R[np.argsort(-distance_R, kind="stable")]
    kept = [math.ceil(coverage * len(wrong_R)) for coverage in COVERAGES]
    return [
        CoveragePoint(coverage=coverage, risk=float(wrong_R[:count].mean()))
        for coverage, count in zip(COVERAGES, kept, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class ScoresWithAbstention:
    """All models with margins that keep their risk down.

    Args:
        risk: Share of the verdicts that may be wrong.
        margins: One for each model, fixed on dev; None abstains from everything.
        coverage: Share of rows with a verdict on the split that is judged.
        measured_risk: Share of wrong ones among them, 0 where there is none.
        curves: Of each model, on the split that is judged.
    """

    risk: float
    margins: Sequence[float | None]
    coverage: Resampled
    measured_risk: Resampled
    curves: Sequence[Sequence[CoveragePoint]]

    @classmethod
    def of(
        cls,
        dev: tuple[Integers, Floats],
        judged: tuple[Integers, Floats],
        group_R: Integers,
        *,
        thresholds: Sequence[float],
        config: AggregationConfig,
    ) -> Self | None:
        """Return the models' scores; None where no risk is stated.

        Args:
            dev: Labels, (R,), and the models' log-odds, (R, M), that fix the margins.
            judged: Those of the split that is judged.
            group_R: Number of each of its rows' group, 0 to G - 1.
            thresholds: Of each model.
            config: Risk, resamples, their seed and the confidence.
        """
        risk = config.selective_risk
        if risk is None or not len(dev[0]):
            return None
        on_dev = [_verdicts(dev, model, threshold) for model, threshold in enumerate(thresholds)]
        on_judged = [_verdicts(judged, model, threshold) for model, threshold in enumerate(thresholds)]
        margins = [abstention_margin(distance_R, wrong_R, risk=risk) for distance_R, wrong_R in on_dev]
        kept_RM = np.stack(
            [
                distance_R >= (math.inf if margin is None else margin)
                for (distance_R, _), margin in zip(on_judged, margins, strict=True)
            ],
            axis=1,
        )
        wrong_RM = np.stack([wrong_R for _, wrong_R in on_judged], axis=1)
        kept_GM, mistakes_GM = sum_by_group(kept_RM, group_R), sum_by_group(kept_RM & wrong_RM, group_R)
        rows_G = np.bincount(group_R).astype(np.float64)
        drawn = {"resamples": config.resamples, "seed": config.bootstrap_seed}
        return cls(
            risk=risk,
            margins=margins,
            coverage=Resampled.of_shares(kept_GM, rows_G, **drawn, confidence=config.confidence),
            measured_risk=_risk(mistakes_GM, kept_GM, config),
            curves=[risk_by_coverage(distance_R, wrong_R) for distance_R, wrong_R in on_judged],
        )

    def of_option(self, members: Sequence[int]) -> Abstention:
        """Return one option's scores.

        Args:
            members: The option's models, one per seed.
        """
        curves = [self.curves[member] for member in members]
        silent = any(self.margins[member] is None for member in members)
        return Abstention(
            wanted_risk=self.risk,
            margins=[self.margins[member] for member in members],
            coverage=self.coverage.estimate(members),
            risk=None if silent else self.measured_risk.estimate(members),
            curve=[
                CoveragePoint(coverage=points[0].coverage, risk=fmean(point.risk for point in points))
                for points in zip(*curves, strict=True)
            ],
        )


def _verdicts(split: tuple[Integers, Floats], model: int, threshold: float) -> tuple[Floats, Booleans]:
    """Return how far each row of a split is from the threshold, and whether its verdict is wrong; both (R,)."""
    labels_R, log_odds_R = split[0], split[1][:, model]
    return distances(log_odds_R, threshold), (sigmoid(log_odds_R) >= threshold) != (labels_R == 1)


def _risk(mistakes_GM: Floats, kept_GM: Floats, config: AggregationConfig) -> Resampled:
    """Return the share of wrong verdicts, measured and on resamples; 0 where no verdict is given."""
    draws = group_draws(len(kept_GM), resamples=config.resamples, seed=config.bootstrap_seed)
    return Resampled(
        measured_M=ratio(mistakes_GM.sum(axis=0), kept_GM.sum(axis=0)),
        resampled_SM=np.concatenate([ratio(times_SG @ mistakes_GM, times_SG @ kept_GM) for times_SG in draws]),
        seed=config.bootstrap_seed,
        confidence=config.confidence,
    )
