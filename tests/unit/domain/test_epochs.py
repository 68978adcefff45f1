"""A point of a curve lies within the epoch in which it was measured."""

import pytest

from service.domain.curves import epoch_ends, epochs_at


def at(steps: list[int], evaluated: list[int], **known: int | None) -> list[float] | None:
    facts: dict[str, int | None] = {"steps_total": None, "epochs": None, "max_steps": None, **known}
    ends = epoch_ends(evaluated, **facts)
    return None if ends is None else epochs_at(steps, ends)


def test_an_epoch_ends_where_dev_is_evaluated() -> None:
    assert at([10, 21], evaluated=[10, 21]) == [1.0, 2.0]


def test_within_an_epoch_steps_count_evenly_also_where_epochs_have_other_lengths() -> None:
    assert at([0, 5, 12, 15], evaluated=[10, 14]) == [0.0, 0.5, 1.5, pytest.approx(15 * 2 / 14, abs=1e-4)]


def test_before_the_first_evaluation_the_plan_tells_the_length_of_an_epoch() -> None:
    assert at([5, 10], evaluated=[], steps_total=40, epochs=4) == [0.5, 1.0]


@pytest.mark.parametrize("known", [{}, {"steps_total": 40}, {"steps_total": 40, "epochs": 4, "max_steps": 40}])
def test_where_nothing_tells_the_length_of_an_epoch_no_epoch_is_told(known: dict[str, int]) -> None:
    assert at([5], evaluated=[], **known) is None


def test_a_last_epoch_that_is_cut_off_counts_for_what_there_was_of_it() -> None:
    # epochs of 10 steps, cut off at step 25
    assert at([10, 20, 25], evaluated=[10, 20, 25], max_steps=25) == [1.0, 2.0, 2.5]


def test_of_an_only_epoch_that_is_cut_off_the_length_is_not_known() -> None:
    assert at([5], evaluated=[7], max_steps=7) is None


def test_a_limit_that_is_not_reached_cuts_nothing_off() -> None:
    assert at([10, 20], evaluated=[10, 20], max_steps=1000) == [1.0, 2.0]


def test_an_evaluation_before_any_step_is_no_division_by_zero() -> None:
    assert at([0, 5], evaluated=[0]) == [1.0, 1.0]
