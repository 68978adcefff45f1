"""How long something has stood still, as one observer has seen it."""

import pytest

from service.domain.stillness import StillnessWatch, Stopwatch


def watched(*looks: tuple[float, str | None], longest_gap_s: float = 4.0) -> float | None:
    """Return for how long the last look has seen the value unchanged; None: it was not there."""
    watch: StillnessWatch[str, str] = StillnessWatch(longest_gap_s)
    for now, value in looks:
        seen = watch.look(now, {} if value is None else {"run": value})
    return seen.get("run")


def test_a_value_stands_still_from_the_first_look_at_it() -> None:
    assert watched((100, "a")) == 0
    assert watched((100, "a"), (103, "a"), (105, "a")) == 5


def test_a_value_that_moves_begins_anew() -> None:
    assert watched((100, "a"), (103, "a"), (105, "b")) == 0
    assert watched((100, "a"), (103, "b"), (105, "b")) == 2


def test_what_was_gone_meanwhile_begins_anew() -> None:
    assert watched((100, "a"), (101, None), (102, "a")) == 0


def test_time_in_which_the_observer_saw_nothing_hardly_counts() -> None:
    # Frozen for an hour: one look afterwards is one look.
    assert watched((100, "a"), (101, "a"), (3701, "a"), (3702, "a")) == 1 + 4 + 1


@pytest.mark.parametrize("jump", [-3600.0, 0.0])
def test_a_clock_that_does_not_move_on_adds_nothing(jump: float) -> None:
    watch = Stopwatch(4.0)
    assert watch.lap(100.0) == 0
    assert watch.lap(100.0 + jump) == 0
