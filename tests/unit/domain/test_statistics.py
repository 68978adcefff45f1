import math
from statistics import stdev

import pytest

from service.domain.statistics import is_above, mean_interval


def test_exactly_at_a_threshold_is_not_above_it() -> None:
    assert not is_above(0.9, 0.9)
    assert is_above(0.9001, 0.9)
    assert not is_above(0.8999, 0.9)


def test_rounding_does_not_lift_a_mean_above_its_threshold() -> None:
    mean = (0.1 + 0.2) / 1  # 0.30000000000000004
    assert mean > 0.3
    assert not is_above(mean, 0.3)


def test_the_interval_of_three_seeds_is_students() -> None:
    # mean 0.9, s = 0.01, t(0.975, 2) = 4.302653: half width 4.302653 * 0.01 / sqrt(3) = 0.024841
    interval = mean_interval([0.89, 0.90, 0.91])
    assert interval == pytest.approx((0.875159, 0.924841), abs=1e-6)


def test_one_seed_has_no_interval() -> None:
    assert mean_interval([0.9]) is None


def test_an_interval_of_f1_stays_within_0_and_1() -> None:
    # mean 0.95, s = 0.0707107, t(0.975, 1) = 12.7062047: half width 0.6353102
    assert mean_interval([0.90, 1.0]) == pytest.approx((0.3146898, 1.0))


@pytest.mark.parametrize(
    ("seeds", "quantile"),
    # NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975.
    [(2, 12.706), (3, 4.303), (4, 3.182), (6, 2.571), (11, 2.228), (21, 2.086), (31, 2.042)],
)
def test_the_quantile_is_that_of_the_published_table(seeds: int, quantile: float) -> None:
    values = [0.5 + 0.001 * (-1) ** seed for seed in range(seeds)]

    interval = mean_interval(values)

    assert interval is not None
    half = (interval[1] - interval[0]) / 2
    assert half * math.sqrt(seeds) / stdev(values) == pytest.approx(quantile, abs=5.1e-4)
