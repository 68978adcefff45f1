"""Thresholds within an alert budget, worked out by hand."""

import numpy as np
import pytest

from cellgate.contract.configs import AggregationConfig
from trainers.engine.metrics import sigmoid
from trainers.evaluation.alert_budget import ScoresWithinBudget, budget_threshold

# By falling score: vulnerable, safe, vulnerable, safe, safe. Half of the vulnerable ones alone are above 0.8.
LABELS = np.array([1, 0, 1, 0, 0])
SCORES = np.array([0.9, 0.7, 0.6, 0.3, 0.1])
GROUPS = np.arange(5)


@pytest.mark.parametrize(
    ("budget", "threshold"),
    [
        # At a prevalence of 10 %: 1,000 functions have 100 vulnerable and 900 safe ones. From the top on there are 50,
        # 50 + 300, 100 + 300, 100 + 600, 100 + 900 alerts.
        pytest.param(49.0, 0.95, id="even the highest score has too many"),
        pytest.param(50.0, 0.8, id="exactly the budget"),
        pytest.param(349.0, 0.8, id="one short of the next"),
        pytest.param(400.0, 0.45, id="two vulnerable functions"),
        pytest.param(1000.0, 0.05, id="everything"),
    ],
)
def test_the_threshold_is_the_lowest_whose_alerts_are_within_the_budget(budget: float, threshold: float) -> None:
    found = budget_threshold(LABELS, SCORES, prevalence=0.1, alerts_per_1000=budget)

    assert found == pytest.approx(threshold)


def test_functions_of_one_score_are_called_alike() -> None:
    scores = np.array([0.9, 0.7, 0.7, 0.3, 0.1])

    found = budget_threshold(LABELS, scores, prevalence=0.1, alerts_per_1000=399.0)

    # The two at 0.7 would make 400 alerts.
    assert found == pytest.approx(0.8)


def test_dev_fixes_the_threshold_and_the_judged_split_says_what_it_finds() -> None:
    log_odds = np.log(SCORES / (1 - SCORES))[:, np.newaxis]
    # On the judged split the best vulnerable function is missed at the same threshold.
    judged = np.log(np.array([0.7, 0.9, 0.6, 0.3, 0.1]) / (1 - np.array([0.7, 0.9, 0.6, 0.3, 0.1])))[:, np.newaxis]
    config = AggregationConfig(deployment_prevalence=0.1, alerts_per_1000=50.0, resamples=100)

    found = ScoresWithinBudget.of((LABELS, log_odds), (LABELS, judged), GROUPS, config=config)

    assert found is not None
    scores = found.of_option([0])
    assert scores.wanted_per_1000 == 50
    assert scores.thresholds == [pytest.approx(0.8)]
    # One safe function of three is called vulnerable, and no vulnerable one.
    assert (scores.recall.mean, scores.precision.mean) == (0, 0)
    assert scores.alerts_per_1000.mean == pytest.approx(300)
    assert (sigmoid(judged[:, 0]) >= scores.thresholds[0]).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("missing", [{"deployment_prevalence": None}, {"alerts_per_1000": None}])
def test_without_a_prevalence_or_a_budget_there_is_no_threshold(missing: dict[str, None]) -> None:
    config = AggregationConfig(**{"deployment_prevalence": 0.1, "alerts_per_1000": 50.0, **missing})
    log_odds = np.zeros((5, 1))

    assert ScoresWithinBudget.of((LABELS, log_odds), (LABELS, log_odds), GROUPS, config=config) is None
