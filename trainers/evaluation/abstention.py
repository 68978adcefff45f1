"""Margins within which a model gives no verdict, so that few of those that it gives are wrong."""

# Shapes: R rows of a split, G groups, M models (an option of one seed each), S resamples.
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np

from cellgate.contract.abstention import least_within
from cellgate.contract.configs import AggregationConfig
from cellgate.contract.evidence import Abstention, CoveragePoint
from trainers.engine.abstention import COVERAGES, Verdicts, bounded_margins
from trainers.engine.metrics import Floats, Integers
from trainers.evaluation.statistics import Resampled, group_draws, ratio, sum_by_group


def abstention_margin(dev: Verdicts, *, risk: float) -> float | None:
    """Return the least margin of `COVERAGES` that keeps the share of wrong verdicts down; None where none does.

    Args:
        dev: At least one row, of the split that fixes the margin.
        risk: Share of the verdicts that may be wrong, above 0 and below 1.
    """
    margins = bounded_margins(dev)
    place = least_within([margin.risk_bound for margin in margins], risk)
    return None if place is None else margins[place].width


def risk_by_coverage(judged: Verdicts) -> list[CoveragePoint]:
    """Return the share of wrong verdicts among the surest rows, for each of `COVERAGES`.

    Source:
        El-Yaniv and Wiener 2010, JMLR 11, 1605–1641 (risk-coverage curve).
    """
    wrong_R = judged.wrong_R[np.argsort(-judged.distance_R, kind="stable")]
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
        margins = [abstention_margin(verdicts, risk=risk) for verdicts in on_dev]
        kept_RM = np.stack(
            [
                verdicts.distance_R >= (math.inf if margin is None else margin)
                for verdicts, margin in zip(on_judged, margins, strict=True)
            ],
            axis=1,
        )
        wrong_RM = np.stack([verdicts.wrong_R for verdicts in on_judged], axis=1)
        kept_GM, mistakes_GM = sum_by_group(kept_RM, group_R), sum_by_group(kept_RM & wrong_RM, group_R)
        rows_G = np.bincount(group_R).astype(np.float64)
        drawn = {"resamples": config.resamples, "seed": config.bootstrap_seed}
        return cls(
            risk=risk,
            margins=margins,
            coverage=Resampled.of_shares(kept_GM, rows_G, **drawn, confidence=config.confidence),
            measured_risk=_risk(mistakes_GM, kept_GM, config),
            curves=[risk_by_coverage(verdicts) for verdicts in on_judged],
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


def _verdicts(split: tuple[Integers, Floats], model: int, threshold: float) -> Verdicts:
    return Verdicts.of(split[0], split[1][:, model], threshold)


def _risk(mistakes_GM: Floats, kept_GM: Floats, config: AggregationConfig) -> Resampled:
    """Return the share of wrong verdicts, measured and on resamples; 0 where no verdict is given."""
    draws = group_draws(len(kept_GM), resamples=config.resamples, seed=config.bootstrap_seed)
    return Resampled(
        measured_M=ratio(mistakes_GM.sum(axis=0), kept_GM.sum(axis=0)),
        resampled_SM=np.concatenate([ratio(times_SG @ mistakes_GM, times_SG @ kept_GM) for times_SG in draws]),
        seed=config.bootstrap_seed,
        confidence=config.confidence,
    )
