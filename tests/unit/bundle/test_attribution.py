"""Lines are weighed by leaving them out; several seeds speak as the mean of their probabilities."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from trainers.bundle.attribution import RUNS, Occluder, Occlusion, Weight

FUNCTION = """int f(char *p)
{
    // }
    if (p) {
        puts("{");
    }

    return *p;
}"""


def weighed(source: str, log_odds: Callable[[str], float]) -> tuple[tuple[Weight, ...], list[Occlusion]]:
    """The weights that a model gives the lines of a function, and what it had to score for them."""
    occluder = Occluder(source, log_odds=log_odds(source))
    scored = []
    while parts := occluder.next_parts():
        occluder.take([log_odds(part.source) for part in parts])
        scored += parts
    return occluder.weights(), scored


def test_each_line_of_the_body_that_says_anything_is_left_out_once_and_its_braces_stay() -> None:
    lines = FUNCTION.split("\n")

    _, parts = weighed(FUNCTION, lambda _: 0.0)

    assert [(part.start_line, part.end_line) for part in parts] == [(4, 4), (5, 5), (8, 8)]
    assert [part.source.split("\n") for part in parts] == [
        [*lines[:3], "{", *lines[4:]],
        [*lines[:4], "", *lines[5:]],
        [*lines[:7], "", *lines[8:]],
    ]


def test_a_function_on_one_line_has_nothing_to_leave_out() -> None:
    assert weighed("int f(void) { return 0; }", lambda _: 0.0) == ((), [])


@pytest.mark.parametrize("count", [RUNS, RUNS + 1, 20, 64, 65, 500])
@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
def test_the_line_that_decides_is_found_among_many_with_few_scores(count: int, place: float) -> None:
    body = [f"    a += {number};" for number in range(count)]
    decisive = round(place * (count - 1))
    body[decisive] = "    gets(a);"

    weights, parts = weighed("\n".join(["int f(int a) {", *body, "}"]), lambda source: 2.0 * ("gets" in source))

    assert weights == (Weight(start_line=decisive + 2, end_line=decisive + 2, log_odds=2.0),)
    assert len(parts) <= RUNS * math.ceil(math.log(count, RUNS))


def test_a_run_that_is_not_the_heaviest_is_reported_as_a_run() -> None:
    body = [f"    a += {number};" for number in range(2 * RUNS)]
    body[0], body[5] = "    strcpy(a);", "    gets(a);"

    weights, _ = weighed(
        "\n".join(["int f(int a) {", *body, "}"]), lambda source: 2.0 * ("gets" in source) + 1.0 * ("strcpy" in source)
    )

    assert [(w.start_line, w.end_line, w.log_odds) for w in weights] == [(7, 7, 2.0), (2, 3, 1.0)]


def test_what_the_verdict_loses_is_the_weight_and_only_what_adds_to_it_is_reported() -> None:
    occluder = Occluder(FUNCTION, log_odds=2.0)

    occluder.take([1.5, 2.5, -1.0])

    assert occluder.weights() == (
        Weight(start_line=8, end_line=8, log_odds=3.0),
        Weight(start_line=4, end_line=4, log_odds=0.5),
    )


def test_of_lines_that_the_models_hint_at_only_the_first_few_are_left_out_each_by_itself() -> None:
    body = [f"    a += {number};" for number in range(100)]
    leaning = np.zeros(102)
    leaning[[70, 50, 30, 10, 90]] = [5.0, 4.0, 3.0, 2.0, 1.0]
    # The head leans most, and is never left out.
    leaning[0] = 9.0
    occluder = Occluder("\n".join(["int f(int a) {", *body, "}"]), log_odds=1.0, leaning_L=leaning)

    parts = occluder.next_parts()
    occluder.take([0.5, 2.0, 0.75, -1.0])

    assert [(part.start_line, part.end_line) for part in parts] == [(11, 11), (31, 31), (51, 51), (71, 71)]
    assert [(w.start_line, w.log_odds) for w in occluder.weights()] == [(71, 2.0), (11, 0.5), (51, 0.25)]
    assert occluder.next_parts() == []


@pytest.mark.parametrize(
    ("log_odds", "drop", "is_divided"),
    [(4.0, 0.25, True), (4.0, 0.5, False), (0.5, -0.25, False)],
    ids=["too little", "enough", "not sure enough to ask for more"],
)
def test_where_hints_explain_too_little_of_a_sure_verdict_all_lines_are_divided_into_runs(
    log_odds: float, drop: float, is_divided: bool
) -> None:
    body = [f"    a += {number};" for number in range(16)]
    occluder = Occluder("\n".join(["int f(int a) {", *body, "}"]), log_odds=log_odds, leaning_L=np.arange(18.0))

    hinted = occluder.next_parts()
    occluder.take([log_odds - drop] * len(hinted))
    runs = occluder.next_parts()

    assert [part.start_line for part in hinted] == [14, 15, 16, 17]
    assert [(part.start_line, part.end_line) for part in runs] == [(n, n + 1) for n in range(2, 18, 2)] * is_divided
    if is_divided:
        occluder.take([0.0] * len(runs))
        assert all(weight.log_odds == log_odds for weight in occluder.weights())
