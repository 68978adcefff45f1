"""Scores at a stated prevalence, worked out by hand."""

import numpy as np
import pytest

from cellgate.contract.configs import AggregationConfig
from cellgate.contract.evidence import DeploymentScores
from cellgate.contract.prevalence import alerts_share, f1_at, precision_at
from trainers.engine.metrics import vulnerability_detection_score
from trainers.evaluation.prevalence import ErrorRates, ScoresAtPrevalence, resampled_vd_s

# 10 vulnerable functions of which 8 are called so, and 10 safe ones of which 1 is.
LABELS = np.repeat([1, 0], 10)
CALLED = np.array([[True]] * 8 + [[False]] * 2 + [[True]] + [[False]] * 9)
ONE_GROUP = np.zeros(20, dtype=np.int64)


def scored(called_RM: np.ndarray, group_R: np.ndarray, prevalence: float = 0.01) -> DeploymentScores:
    config = AggregationConfig(deployment_prevalence=prevalence, resamples=2_000)
    log_odds_RM = np.where(called_RM, 1.0, -1.0)
    found = ScoresAtPrevalence.of(LABELS, called_RM, log_odds_RM, group_R, config=config)
    assert found is not None
    return found.of_option(list(range(called_RM.shape[1])))


def test_by_hand_at_one_in_a_hundred_most_alerts_of_a_good_model_are_false() -> None:
    found = scored(CALLED, ONE_GROUP)

    # Of 1,000 functions 10 are vulnerable and 8 of them found; of the 990 others 99 are called vulnerable.
    assert found.alerts_per_1000.mean == pytest.approx(107)
    assert found.precision.mean == pytest.approx(8 / 107)
    # Twice 8 over 107 alerts and 10 vulnerable functions.
    assert found.f1.mean == pytest.approx(16 / 117)
    # One group: every resample is the sample.
    assert found.alerts_per_1000.interval.low == pytest.approx(107)
    assert found.alerts_per_1000.interval.high == pytest.approx(107)


def test_at_the_split_s_own_prevalence_the_scores_are_the_split_s() -> None:
    found = scored(CALLED, ONE_GROUP, prevalence=0.5)

    # 8 true alerts of 9; F1 = 16 / (9 + 10); 9 of 20 functions are called vulnerable.
    assert (found.precision.mean, found.f1.mean) == (pytest.approx(8 / 9), pytest.approx(16 / 19))
    assert found.alerts_per_1000.mean == pytest.approx(450)


def test_the_mean_is_over_seeds_and_not_of_their_mean_rates() -> None:
    # The second seed finds 2 of 10 and raises no false alarm: 2 alerts per 1,000, all of them right.
    other = np.array([[True]] * 2 + [[False]] * 18)

    found = scored(np.hstack([CALLED, other]), ONE_GROUP)

    assert found.precision.mean == pytest.approx((8 / 107 + 1) / 2)
    assert found.alerts_per_1000.mean == pytest.approx((107 + 2) / 2)


def test_a_model_that_calls_nothing_vulnerable_has_no_alert_and_no_precision() -> None:
    rates = ErrorRates(recall=np.zeros(1), false_alarms=np.zeros(1))

    assert [rates.alerts(0.01)[0], rates.precision(0.01)[0], rates.f1(0.01)[0]] == [0, 0, 0]


def test_resamples_draw_whole_groups_and_those_without_both_classes_say_nothing() -> None:
    # In one of two groups of both classes all are found, in the other none; there are no false alarms.
    group_R = np.tile([0, 1], 10)
    called_RM = ((group_R == 0) & (LABELS == 1))[:, np.newaxis]

    found = scored(called_RM, group_R)

    # Recall is 0, 1/2 or 1 as the first group is drawn 0, 1, 2 times: 0, 5 or 10 alerts per 1,000, none of them false.
    assert found.alerts_per_1000.mean == pytest.approx(5)
    interval = found.alerts_per_1000.interval
    assert [interval.low, interval.high] == pytest.approx([0, 10])
    # Each class in a group of its own: half of the resamples lack one, and the others are the sample.
    apart = scored(CALLED, LABELS)
    assert [apart.precision.interval.low, apart.precision.interval.high] == pytest.approx([8 / 107, 8 / 107])


@pytest.mark.parametrize(
    ("labels", "prevalence"),
    [
        pytest.param([1, 0], None, id="no prevalence is stated"),
        pytest.param([1, 1], 0.01, id="no safe function"),
        pytest.param([0, 0], 0.01, id="no vulnerable function"),
    ],
)
def test_what_cannot_be_scored_is_left_out(labels: list[int], prevalence: float | None) -> None:
    config = AggregationConfig(deployment_prevalence=prevalence)

    called_RM, log_odds_RM = np.ones((2, 1), bool), np.ones((2, 1))
    assert ScoresAtPrevalence.of(np.array(labels), called_RM, log_odds_RM, np.arange(2), config=config) is None


def test_gate_and_evidence_work_out_the_same_scores() -> None:
    rates = ErrorRates(recall=np.array([0.8, 0.0]), false_alarms=np.array([0.1, 0.0]))

    for recall, false_alarms, place in ((0.8, 0.1, 0), (0.0, 0.0, 1)):
        assert rates.alerts(0.01)[place] == alerts_share(recall, false_alarms, 0.01)
        assert rates.precision(0.01)[place] == precision_at(recall, false_alarms, 0.01)
        assert rates.f1(0.01)[place] == f1_at(recall, false_alarms, 0.01)


def test_vd_s_of_a_resample_is_that_of_the_rows_it_draws() -> None:
    rng = np.random.default_rng(0)
    labels_R = rng.integers(0, 2, 400)
    # Rounded, so that scores tie.
    log_odds_RM = (rng.normal(size=(400, 2)) + labels_R[:, np.newaxis]).round(1)
    group_R = np.repeat(np.arange(80), 5)
    times_SG = rng.multinomial(80, np.full(80, 1 / 80), size=5).astype(np.float64)

    found_SM = resampled_vd_s(labels_R, log_odds_RM, group_R, times_SG)

    for times_G, found_M in zip(times_SG, found_SM, strict=True):
        rows = np.repeat(np.arange(400), times_G[group_R].astype(np.int64))
        expected = [vulnerability_detection_score(labels_R[rows], log_odds_RM[rows, model]) for model in (0, 1)]
        assert found_M.tolist() == pytest.approx(expected)
