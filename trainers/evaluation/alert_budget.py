"""Thresholds that keep the alerts within what people can look at, and what they find there."""

# Shapes: R rows of a split, M models (an option of one seed each), K distinct scores.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cellgate.contract.configs import AggregationConfig
from cellgate.contract.evidence import AlertBudget, DeploymentScores
from trainers.engine.metrics import Floats, Integers, counts_by_score, sigmoid
from trainers.evaluation.prevalence import ErrorRates, ScoresAtPrevalence


def budget_threshold(labels_R: Integers, probability_R: Floats, *, prevalence: float, alerts_per_1000: float) -> float:
    """Return the lowest threshold whose alerts are within the budget, in the middle of the gap to the next lower score.

    Where even the highest score has too many alerts, a threshold above it.

    Args:
        labels_R: 0 or 1, both; of dev.
        probability_R: Calibrated.
        prevalence: Share of vulnerable functions where the model will run.
        alerts_per_1000: Alerts per 1,000 functions there, at most.
    """
    score_K, found_K, alarms_K = counts_by_score(labels_R, probability_R)
    rates = ErrorRates(recall=found_K / found_K[-1], false_alarms=alarms_K / alarms_K[-1])
    # Alerts rise as the threshold falls; a budget that is met up to rounding is met.
    allowed = int((1000 * rates.alerts(prevalence) <= alerts_per_1000 * (1 + 1e-9)).sum())
    above, below = (1.0, *score_K.tolist(), 0.0)[allowed : allowed + 2]
    middle = (above + below) / 2
    # Scores one float apart: their middle may be rounded down onto the lower one.
    return float(middle if middle > below else above)


@dataclass(frozen=True, kw_only=True)
class ScoresWithinBudget:
    """All models at thresholds that keep their alerts within a budget.

    Args:
        thresholds: One for each model, fixed on dev.
        scores: Of the calls that they make on the split that is judged.
    """

    alerts_per_1000: float
    thresholds: Sequence[float]
    scores: ScoresAtPrevalence

    @classmethod
    def of(
        cls,
        dev: tuple[Integers, Floats],
        judged: tuple[Integers, Floats],
        group_R: Integers,
        *,
        config: AggregationConfig,
    ) -> Self | None:
        """Return the models' scores; None where no budget is stated, or a split lacks one of the two classes.

        Args:
            dev: Labels, (R,), and the models' log-odds, (R, M), that fix the thresholds.
            judged: Those of the split that is judged.
            group_R: Number of each of its rows' group, 0 to G - 1.
            config: Prevalence, budget, resamples, their seed and the confidence.
        """
        prevalence, budget = config.deployment_prevalence, config.alerts_per_1000
        if prevalence is None or budget is None or not 0 < dev[0].sum() < len(dev[0]):
            return None
        thresholds = [
            budget_threshold(dev[0], sigmoid(log_odds_R), prevalence=prevalence, alerts_per_1000=budget)
            for log_odds_R in dev[1].T
        ]
        called_RM = sigmoid(judged[1]) >= np.array(thresholds)
        scores = ScoresAtPrevalence.of(judged[0], called_RM, judged[1], group_R, config=config)
        return None if scores is None else cls(alerts_per_1000=budget, thresholds=thresholds, scores=scores)

    def of_option(self, members: Sequence[int]) -> AlertBudget:
        """Return one option's scores.

        Args:
            members: The option's models, one per seed.
        """
        return AlertBudget(
            wanted_per_1000=self.alerts_per_1000,
            thresholds=[self.thresholds[member] for member in members],
            recall=self.scores.estimate("recall", members),
            precision=self.scores.estimate("precision", members),
            alerts_per_1000=self.scores.estimate("alerts", members, scale=1000),
        )


def with_budget(
    deployed: ScoresAtPrevalence | None, within: ScoresWithinBudget | None, members: Sequence[int]
) -> DeploymentScores | None:
    """Return one option's scores at the prevalence, with those within the alert budget where there is one.

    Args:
        deployed: Of all models; None where no prevalence is stated.
        within: Of the same models; None where no budget is stated.
        members: The option's models, one per seed.
    """
    if deployed is None:
        return None
    found = deployed.of_option(members)
    return found if within is None else found.model_copy(update={"budget": within.of_option(members)})
