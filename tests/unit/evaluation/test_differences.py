"""Two options compared: the p-value respects groups and seeds, and never contradicts the interval beside it."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm, t

from bench.comparisons import Pair, measure
from cellgate.contract.options import OPTION_NAMES, share_no_model
from trainers.evaluation.differences import Difference, compare
from trainers.evaluation.seed_spread import SeedSpread
from trainers.evaluation.statistics import GroupCounts, Resampled, mcnemar_p


def compared(
    first_GK: np.ndarray,
    second_GK: np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
    size: int = 1,
    apart: bool = False,
) -> Difference:
    """Compare models by how many of `size` functions of each group, all vulnerable, they find."""
    found_GM = np.hstack([first_GK, second_GK]).astype(float)
    counts = GroupCounts(true_positives_GM=found_GM, mistakes_GM=size - found_GM)
    resampled = Resampled.of_counts(counts, resamples=resamples, seed=0, confidence=confidence)
    seeds = first_GK.shape[1]
    return compare(resampled, counts, range(seeds), range(seeds, 2 * seeds), apart=apart)


def p_of(difference: Difference) -> float:
    assert difference.p is not None
    return difference.p


def test_p_is_below_five_percent_exactly_where_the_interval_excludes_zero() -> None:
    rng = np.random.default_rng(0)
    claims = []
    for groups, seeds, gap, apart in itertools.product((3, 20, 80), (1, 2, 3), (0.0, 0.1, 0.25, 0.5), (False, True)):
        for confidence, resamples in ((0.95, 400), (0.9, 101), (0.999, 400)):
            first = rng.random((groups, seeds)) < 0.4 + gap
            second = rng.random((groups, seeds)) < 0.4
            found = compared(first, second, confidence=confidence, resamples=resamples, apart=apart)
            excludes = found.interval.low > 0 or found.interval.high < 0
            assert (p_of(found) < 1 - confidence) is excludes
            claims.append(excludes)
    assert 10 < sum(claims) < len(claims) - 10


def test_turned_round_the_interval_changes_its_sign_and_p_stays() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random((40, 1)) < 0.7, rng.random((40, 1)) < 0.5

    there, back = compared(first, second), compared(second, first)

    assert p_of(there) == pytest.approx(p_of(back))
    assert [there.interval.low, there.interval.high] == pytest.approx([-back.interval.high, -back.interval.low])


def test_models_that_call_everything_alike_differ_by_nothing() -> None:
    same = np.random.default_rng(2).random((30, 2)) < 0.6

    found = compared(same, same)

    assert (found.interval.low, found.interval.high, found.p) == (0, 0, 1)


def test_a_single_group_says_nothing_of_others() -> None:
    found = compared(np.array([[90]]), np.array([[10]]), size=100)

    assert (found.interval.low, found.interval.high, found.p) == (-1, 1, 1)


def test_functions_of_one_commit_are_no_independent_witnesses() -> None:
    # Ten commits of twenty functions that stand or fall together: the first model wins six, the second two.
    first = np.array([1] * 6 + [0] * 4)[:, np.newaxis]
    second = np.array([0] * 6 + [1] * 2 + [0] * 2)[:, np.newaxis]

    of_groups = p_of(compared(20 * first, 20 * second, size=20))
    right_first, right_second = (np.repeat(found[:, 0] == 1, 20) for found in (first, second))

    assert mcnemar_p(right_first, right_second) < 1e-9
    assert of_groups > 0.05


def test_a_seed_that_differs_as_much_as_the_options_do_leaves_no_difference() -> None:
    groups = 400
    better, worse = np.arange(groups) < 300, np.arange(groups) < 200
    steady = np.stack([better, better, better], axis=1), np.stack([worse, worse, worse], axis=1)
    unsteady = np.stack([better, worse, better], axis=1), np.stack([worse, better, worse], axis=1)

    assert p_of(compared(*steady)) < 0.01
    assert p_of(compared(*unsteady)) > 0.2


def test_two_seeds_that_happen_to_move_alike_hide_no_spread_of_options_that_are_trained_apart() -> None:
    groups = np.arange(400)
    # Both options lose 0.16 of their F1 with their second seed: their difference is 0.06 with both seeds.
    first = np.stack([groups < 360, groups < 260], axis=1)
    second = np.stack([groups < 320, groups < 230], axis=1)

    assert p_of(compared(first, second)) < 0.01
    assert p_of(compared(first, second, apart=True)) > 0.2


def test_the_spreads_of_two_options_are_known_by_the_degrees_of_both_where_they_are_equal() -> None:
    rng = np.random.default_rng(4)

    def scores(*measured: float) -> tuple[np.ndarray, np.ndarray]:
        # Chance of the split adds the variance 0.0001 to each seed.
        measured_K = np.array(measured)
        return measured_K, measured_K + 0.01 * rng.standard_normal((50_000, len(measured)))

    equal = SeedSpread.of(scores(0.7, 0.8, 0.9), scores(0.5, 0.6, 0.7))
    unequal = SeedSpread.of(scores(0.7, 0.8, 0.9), scores(0.6, 0.6, 0.6))
    single = SeedSpread.of(scores(0.7), scores(0.5))

    # Variance 0.01 of each option, less chance, over three seeds; two degrees of freedom of each.
    assert (equal.variance, equal.degrees) == pytest.approx(((2 * 0.01 - 2 * 0.0001) / 3, 4.0), rel=1e-3)
    assert (unequal.variance, unequal.degrees) == pytest.approx(((0.01 - 2 * 0.0001) / 3, 2.0), rel=1e-3)
    assert single.variance == 0


def test_options_vary_apart_where_no_cell_is_part_of_both() -> None:
    apart = {pair for pair in itertools.combinations(OPTION_NAMES, 2) if share_no_model(*pair)}

    assert apart == {("transformer", "gnn"), ("gnn", "linear")}


def test_few_groups_that_differ_are_weaker_proof_than_the_share_of_resamples_says() -> None:
    # Four of 150 groups differ, all one way; of the resamples about 1 in e ** 4 draws none of them.
    found_GM = np.ones((150, 2))
    found_GM[:4, 1] = 0
    counts = GroupCounts(true_positives_GM=found_GM, mistakes_GM=1 - found_GM)
    resampled = Resampled.of_counts(counts, resamples=2_000, seed=0, confidence=0.95)

    p = p_of(compare(resampled, counts, [0], [1], apart=True))

    plain = 2 * float((resampled.differences([0], [1]) <= 0).mean())
    assert plain == pytest.approx(2 * np.exp(-4), rel=0.3)
    assert p > 1.1 * plain


def test_no_number_of_resamples_shows_a_p_of_zero() -> None:
    found = compared(np.ones((50, 1)), np.zeros((50, 1)), resamples=100)

    # F1 1 against 0 on every resample: the ends of the range count as a resample each.
    assert p_of(found) > 0


def test_by_hand_the_percentiles_are_those_that_students_t_stands_for() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.random(60) < 0.7, rng.random(60) < 0.5
    found_GM = np.stack([first, second], axis=1).astype(float)
    counts = GroupCounts(true_positives_GM=found_GM, mistakes_GM=1 - found_GM)
    resampled = Resampled.of_counts(counts, resamples=2_000, seed=0, confidence=0.95)
    # All 60 functions are vulnerable: with h of them found F1 is 2 h / (h + 60), and a group moves it by its 2 when it
    # is found less F1 for each of 1 + 1 when found, 0 + 1 when not, over h + 60.
    first_G, second_G = (
        (2 * right - 2 * right.sum() / (right.sum() + 60) * (right + 1)) / (right.sum() + 60)
        for right in (first, second)
    )
    moved_G = first_G - second_G
    kurtosis = ((moved_G - moved_G.mean()) ** 4).mean() / moved_G.var() ** 2
    degrees = min(59.0, 6 * 60 / (kurtosis - 1))
    tail = norm.cdf(t.ppf(0.025, degrees) * np.sqrt(60 / 59))
    values_S = np.concatenate([resampled.differences([0], [1]), [-1, 1]])

    found = compare(resampled, counts, [0], [1], apart=True)

    assert [found.interval.low, found.interval.high] == pytest.approx(np.quantile(values_S, [tail, 1 - tail]).tolist())


@pytest.mark.parametrize("experiments", [200, pytest.param(2_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(Pair(vulnerable=0.02, seeds=3, spread=0.05), id="two functions in a hundred vulnerable"),
        pytest.param(Pair(vulnerable=0.5, seeds=3, spread=0.15), id="seeds far apart"),
        pytest.param(Pair(vulnerable=0.5, seeds=1, spread=0.0, groups=40), id="few commits"),
    ],
)
def test_a_true_tie_is_rejected_about_as_often_as_five_percent_says(pair: Pair, experiments: int) -> None:
    rates = measure(pair, experiments=experiments, seed=1)

    # Three standard deviations of a share of 5 %.
    assert rates.p <= 0.05 + 3 * (0.05 * 0.95 / experiments) ** 0.5


def test_mcnemar_over_functions_rejects_a_true_tie_more_often_than_that() -> None:
    rates = measure(Pair(vulnerable=0.5, seeds=3, spread=0.15), experiments=300, seed=1)

    assert rates.mcnemar > 0.09
