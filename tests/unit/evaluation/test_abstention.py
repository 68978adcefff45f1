"""Margins that keep wrong verdicts down, worked out by hand."""

import math

import numpy as np
import pytest

from cellgate.contract.abstention import least_within
from cellgate.contract.configs import AggregationConfig
from trainers.engine.abstention import COVERAGES, Verdicts, distances, log_odds_of, scores_by_margin
from trainers.evaluation.abstention import ScoresWithAbstention, abstention_margin, risk_by_coverage

ROWS = 1000


def ordered(wrong: int) -> Verdicts:
    """Rows by falling distance, 1 to 0; the nearest ones to the threshold are wrong."""
    return Verdicts(distance_R=np.linspace(1, 0.001, ROWS), wrong_R=np.arange(ROWS) >= ROWS - wrong)


@pytest.mark.parametrize(
    ("wrong", "risk", "kept"),
    [
        # Each of 20 margins has a bound of 99.75 %. Of 1,000 without a mistake: 1 - 0.0025 ** (1 / 1000) = .006.
        pytest.param(0, 0.006, ROWS, id="a verdict on everything"),
        pytest.param(0, 0.0059, 0, id="too few rows to say so"),
        # 100 of 1,000 are wrong, 50 of 950, none of 900.
        pytest.param(100, 0.05, 900, id="the nearest tenth has none"),
        # The upper bound of 50 of 950 is .077, that of 100 of 1,000 is .130.
        pytest.param(100, 0.08, 950, id="half of the mistakes are within the risk"),
        pytest.param(100, 0.13, ROWS, id="all of them are"),
    ],
)
def test_the_margin_is_the_least_whose_bound_is_within_the_risk(wrong: int, risk: float, kept: int) -> None:
    dev = ordered(wrong)

    margin = abstention_margin(dev, risk=risk)

    assert int((dev.distance_R >= (math.inf if margin is None else margin)).sum()) == kept
    assert (margin is None) == (kept == 0)


def test_functions_of_one_distance_keep_or_lose_their_verdict_together() -> None:
    # Half of the rows are equally near, and one in ten of them is wrong: the margin cannot cut among them.
    distance = np.repeat([2.0, 1.0], ROWS // 2)
    wrong = (np.arange(ROWS) >= ROWS // 2) & (np.arange(ROWS) % 10 == 0)

    assert abstention_margin(Verdicts(distance_R=distance, wrong_R=wrong), risk=0.03) == 2.0


def test_a_risk_that_nothing_keeps_to_leaves_no_margin() -> None:
    always_wrong = Verdicts(distance_R=np.ones(50), wrong_R=np.ones(50, dtype=bool))

    assert abstention_margin(always_wrong, risk=0.4) is None


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 0.0), (0.75, math.log(3)), (0.0, -30.0), (1.0, 30.0)])
def test_a_threshold_in_log_odds_is_never_infinite(threshold: float, expected: float) -> None:
    assert log_odds_of(threshold) == pytest.approx(expected)
    assert distances(np.array([2.0]), threshold)[0] == pytest.approx(abs(2.0 - expected))


def test_the_curve_counts_the_mistakes_among_the_surest() -> None:
    found = {point.coverage: point.risk for point in risk_by_coverage(ordered(100))}

    assert list(found) == list(COVERAGES)
    assert (found[1.0], found[0.95], found[0.9], found[0.05]) == pytest.approx((0.1, 50 / 950, 0.0, 0.0))


def two_models() -> tuple[np.ndarray, np.ndarray]:
    """Labels, and log-odds of a model that is always right and of one that is wrong near 0."""
    labels = np.arange(ROWS) % 2
    sure = np.where(labels == 1, 5.0, -5.0)
    unsure = np.where(np.arange(ROWS) < 200, -0.1 * np.sign(sure), sure)
    return labels, np.stack([sure, unsure], axis=1)


def test_dev_fixes_the_margin_and_the_judged_split_says_what_comes_of_it() -> None:
    labels, log_odds = two_models()
    # On the judged split the second model is as sure of four mistakes as of what it gets right.
    judged = log_odds.copy()
    judged[200:204, 1] *= -1
    config = AggregationConfig(selective_risk=0.05, resamples=100)

    found = ScoresWithAbstention.of(
        (labels, log_odds), (labels, judged), np.arange(ROWS), thresholds=[0.5, 0.5], config=config
    )

    assert found is not None
    first, second, both = found.of_option([0]), found.of_option([1]), found.of_option([0, 1])
    assert (first.margins, first.coverage.mean) == ([0.0], 1.0)
    assert first.risk is not None
    assert first.risk.mean == 0
    assert (second.margins, second.coverage.mean) == ([5.0], 0.8)
    assert second.risk is not None
    assert second.risk.mean == pytest.approx(4 / 800)
    assert second.risk.interval.low < 4 / 800 < second.risk.interval.high
    assert both.coverage.mean == pytest.approx(0.9)
    assert both.curve[0].risk == pytest.approx((0 + 204 / ROWS) / 2)


@pytest.mark.parametrize("risk", [0.001, 0.02, 0.05, 0.1, 0.13, 0.4])
def test_the_margins_of_a_run_give_the_coverage_and_the_risk_that_the_evidence_has(risk: float) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, ROWS)
    dev, gate = (labels * 2 - 1 + 1.5 * rng.standard_normal(ROWS) for _ in range(2))
    config = AggregationConfig(selective_risk=risk, resamples=100)
    evidence = ScoresWithAbstention.of(
        (labels, dev[:, np.newaxis]), (labels, gate[:, np.newaxis]), np.arange(ROWS), thresholds=[0.4], config=config
    )
    assert evidence is not None
    weighed = evidence.of_option([0])

    margins = scores_by_margin(Verdicts.of(labels, dev, 0.4), Verdicts.of(labels, gate, 0.4))

    assert len(margins) == len(COVERAGES)
    place = least_within([margin.risk_bound for margin in margins], risk)
    if place is None:
        assert (weighed.margins, weighed.coverage.mean, weighed.risk) == ([None], 0.0, None)
        return
    found = margins[place]
    assert weighed.risk is not None
    assert (weighed.margins, weighed.coverage.mean, weighed.risk.mean) == ([found.margin], found.coverage, found.risk)


def test_without_functions_on_one_side_there_are_no_margins() -> None:
    none = Verdicts(distance_R=np.zeros(0), wrong_R=np.zeros(0, dtype=bool))

    assert scores_by_margin(none, ordered(1)) == scores_by_margin(ordered(1), none) == []


def test_where_a_margin_leaves_no_verdict_there_is_no_risk() -> None:
    always_nearer = Verdicts(distance_R=np.full(10, 1e-4), wrong_R=np.zeros(10, dtype=bool))

    margins = scores_by_margin(ordered(0), always_nearer)

    assert (margins[0].coverage, margins[0].risk) == (1.0, 0.0)
    assert (margins[-1].coverage, margins[-1].risk) == (0.0, None)


def test_a_model_without_a_margin_gives_no_verdict_and_has_no_risk() -> None:
    labels = np.arange(ROWS) % 2
    chance = np.where(np.arange(ROWS) % 4 < 2, 1.0, -1.0)[:, np.newaxis]
    config = AggregationConfig(selective_risk=0.05, resamples=100)

    found = ScoresWithAbstention.of(
        (labels, chance), (labels, chance), np.arange(ROWS), thresholds=[0.5], config=config
    )

    assert found is not None
    scores = found.of_option([0])
    assert (scores.margins, scores.coverage.mean, scores.risk) == ([None], 0.0, None)
    assert scores.curve[0].risk == 0.5


def test_without_a_risk_there_is_no_margin() -> None:
    labels, log_odds = two_models()

    found = ScoresWithAbstention.of(
        (labels, log_odds), (labels, log_odds), np.arange(ROWS), thresholds=[0.5, 0.5], config=AggregationConfig()
    )

    assert found is None


def test_the_risk_holds_on_functions_that_did_not_fix_the_margin() -> None:
    # Mistakes are rarer the surer the model is; in one of twenty worlds the bound may fail.
    rng = np.random.default_rng(0)
    broken = found = 0
    for _ in range(200):
        distance = rng.exponential(size=ROWS)
        wrong = rng.random(ROWS) < 0.5 * np.exp(-2 * distance)
        margin = abstention_margin(Verdicts(distance_R=distance, wrong_R=wrong), risk=0.05)
        # The true share beyond a margin m is the mean of exp(-2 d) / 2 over d > m: exp(-2 m) / 6.
        broken += margin is not None and math.exp(-2 * margin) / 6 > 0.05
        found += margin is not None
    assert found >= 100
    assert broken <= 10
