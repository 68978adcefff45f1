"""Figures of uncertainty, against values worked out by hand, a reference, or a simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from trainers.evaluation.statistics import (
    GroupCounts,
    bootstrap_f1,
    count_by_group,
    holm,
    mcnemar_p,
    percentile_interval,
)


def bools(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def test_counts_add_up_within_each_group_and_model() -> None:
    labels_R = np.array([1, 0, 1, 1, 0])
    predicted_RM = np.stack([bools("11010"), bools("00000")], axis=1)
    group_R = np.array([0, 0, 1, 1, 1])

    counts = count_by_group(labels_R, predicted_RM, group_R)

    # First model: group 0 has a hit and a false alarm, group 1 a hit and a miss. The second never says "vulnerable".
    assert counts.true_positives_GM.tolist() == [[1, 0], [1, 0]]
    assert counts.mistakes_GM.tolist() == [[1, 1], [1, 2]]


def test_with_one_group_every_resample_is_the_sample() -> None:
    counts = GroupCounts(true_positives_GM=np.array([[3.0]]), mistakes_GM=np.array([[2.0]]))

    # F1 = 2 * 3 / (2 * 3 + 2) = 0.75.
    assert bootstrap_f1(counts, resamples=100, seed=0).tolist() == [[0.75]] * 100


def test_two_groups_are_drawn_as_often_as_the_binomial_says() -> None:
    # A group that is all right and one that is all wrong: F1 is 1, 2/3 or 0 when the right one comes 2, 1, 0 times.
    counts = GroupCounts(true_positives_GM=np.array([[1.0], [0.0]]), mistakes_GM=np.array([[0.0], [1.0]]))

    values, times = np.unique(bootstrap_f1(counts, resamples=20_000, seed=0).round(6), return_counts=True)

    assert values.tolist() == [0.0, 0.666667, 1.0]
    # Expected shares 1/4, 1/2, 1/4; five standard deviations of a share of 1/2 over 20,000 draws are 0.018.
    np.testing.assert_allclose(times / 20_000, [0.25, 0.5, 0.25], atol=0.018)


def test_the_same_model_twice_differs_by_nothing_in_any_resample() -> None:
    rng = np.random.default_rng(0)
    hits, mistakes = rng.integers(0, 3, (50, 1)).repeat(2, axis=1), rng.integers(0, 3, (50, 1)).repeat(2, axis=1)

    resampled_SM = bootstrap_f1(
        GroupCounts(true_positives_GM=hits.astype(float), mistakes_GM=mistakes.astype(float)), resamples=700, seed=1
    )

    assert np.array_equal(resampled_SM[:, 0], resampled_SM[:, 1])
    assert resampled_SM[:, 0].std() > 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    rng = np.random.default_rng(0)
    counts = GroupCounts(
        true_positives_GM=rng.integers(0, 3, (40, 2)).astype(float),
        mistakes_GM=rng.integers(0, 3, (40, 2)).astype(float),
    )

    first, again, other = (bootstrap_f1(counts, resamples=1200, seed=seed).tobytes() for seed in (0, 0, 1))

    assert first == again
    assert first != other


def test_intervals_cover_the_truth_about_as_often_as_they_say_when_groups_stand_or_fall_together() -> None:
    rng = np.random.default_rng(0)
    covered_by_group = covered_by_row = 0
    trials, groups, members = 200, 60, 4
    # A group is wholly right with probability 0.8; labels are all 1, so true F1 = 2 * 0.8 / (0.8 + 1) = 8/9.
    for trial in range(trials):
        right_G = rng.random(groups) < 0.8
        predicted_R1 = np.repeat(right_G, members)[:, np.newaxis]
        labels_R = np.ones(groups * members, dtype=np.int64)
        for by_group in (True, False):
            group_R = np.repeat(np.arange(groups), members) if by_group else np.arange(groups * members)
            counts = count_by_group(labels_R, predicted_R1, group_R)
            values_S = bootstrap_f1(counts, resamples=200, seed=trial)[:, 0]
            interval = percentile_interval(values_S, confidence=0.95)
            covers = interval.low <= 8 / 9 <= interval.high
            covered_by_group += covers and by_group
            covered_by_row += covers and not by_group

    assert covered_by_group / trials >= 0.88
    # Rows drawn one by one: half the width, so that the claim of 95 % is false.
    assert covered_by_row / trials <= 0.80


def test_the_percentile_interval_leaves_half_of_the_rest_on_either_side() -> None:
    interval = percentile_interval(np.arange(101) / 100, confidence=0.9)

    assert (interval.low, interval.high, interval.confidence) == (pytest.approx(0.05), pytest.approx(0.95), 0.9)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (1, 0), (5, 1), (3, 3), (12, 30), (700, 800), (2900, 3100)]
)
def test_mcnemar_is_the_binomial_test_of_the_rows_that_only_one_gets_right(only_first: int, only_second: int) -> None:
    first = np.array([True] * 10 + [True] * only_first + [False] * only_second)
    second = np.array([True] * 10 + [False] * only_first + [True] * only_second)
    differing = only_first + only_second

    expected = binomtest(only_first, differing, 0.5).pvalue if differing else 1.0

    assert mcnemar_p(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand_is_7_of_32_for_five_against_one() -> None:
    # Two sides of (1 + 6) / 2 ** 6.
    assert mcnemar_p(bools("111110"), bools("000001")) == 14 / 64


def test_holm_multiplies_by_the_hypotheses_left_and_never_falls() -> None:
    # By hand: 0.01 * 4; 0.02 * 3; 0.03 * 2 = 0.06, not below the one before; 0.5 * 1.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])


def test_holm_stops_at_one_and_takes_no_hypotheses_too() -> None:
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
