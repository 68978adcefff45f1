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
    # mean 0.9, s = 0.01, t(0.975, 2) = 4.303: half width 4.303 * 0.01 / sqrt(3) = 0.024843
    interval = mean_interval([0.89, 0.90, 0.91])
    assert interval == pytest.approx((0.875157, 0.924843), abs=1e-6)


def test_one_seed_has_no_interval() -> None:
    assert mean_interval([0.9]) is None


def test_an_interval_of_f1_stays_within_0_and_1() -> None:
    # mean 0.95, s = 0.070711, t(0.975, 1) = 12.706: half width 0.6353
    assert mean_interval([0.90, 1.0]) == pytest.approx((0.3147, 1.0))
