"""A vocabulary has the most frequent strings; of those that are as frequent, the alphabet decides."""

import numpy as np
import pytest

from trainers.data.vocabulary import fit_strings

WORDS = ["", "d", "c", "b", "a", "once"]
COUNTS = [9, 5, 2, 3, 2, 1]


@pytest.mark.parametrize(
    ("size", "chosen"), [(2, ()), (3, ("d",)), (4, ("d", "b")), (5, ("d", "b", "a")), (99, ("d", "b", "a", "c"))]
)
def test_the_most_frequent_strings_are_chosen_as_far_as_there_is_room(size: int, chosen: tuple[str, ...]):
    values, numbers = fit_strings(np.array(COUNTS), WORDS.__getitem__, size=size)

    assert values == ("<none>", "<unknown>", *chosen)
    assert numbers.tolist() == [0, *(values.index(word) if word in chosen else 1 for word in WORDS[1:])]
