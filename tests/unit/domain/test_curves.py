"""A long curve comes in few points, and no peak is lost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.comparison import thinned

POINTS = st.dictionaries(st.integers(0, 10_000), st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=300).map(
    lambda found: dict(sorted(found.items()))
)


@given(points=POINTS, max_points=st.integers(4, 50))
def test_few_points_are_among_those_measured_in_order_with_ends_and_extremes(
    points: dict[int, float], max_points: int
) -> None:
    steps, values = thinned(list(points), list(points.values()), max_points=max_points)

    assert len(steps) == len(values) <= max_points
    assert all(points[step] == value for step, value in zip(steps, values, strict=True))
    assert all(before < after for before, after in pairwise(steps))
    assert {min(points), max(points)} <= set(steps)
    assert {min(points.values()), max(points.values())} <= set(values)


def test_a_curve_that_is_short_enough_comes_whole() -> None:
    assert thinned([1, 5, 9], [0.1, 0.2, 0.3], max_points=4) == ([1, 5, 9], [0.1, 0.2, 0.3])


def test_each_interval_keeps_its_own_peak_and_dip() -> None:
    # two intervals of 50 steps; in the first the dip is at 20 and the peak at 30, in the second at 80 and 60
    values = [0.0] * 100
    values[20], values[30], values[80], values[60] = -5.0, 4.0, -1.0, 3.0

    steps, kept = thinned(range(100), values, max_points=8)

    assert steps == [0, 20, 30, 49, 50, 60, 80, 99]
    assert kept == [0.0, -5.0, 4.0, 0.0, 0.0, 3.0, -1.0, 0.0]


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_spike_of_one_step_stays_however_long_the_curve_is(count: int) -> None:
    values = [0.5] * count
    values[count // 3] = 9.0

    steps, kept = thinned(range(count), values, max_points=100)

    assert (count // 3, 9.0) in zip(steps, kept, strict=True)
