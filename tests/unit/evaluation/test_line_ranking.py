"""Measures of a ranking of lines, by hand."""

import pytest

from trainers.evaluation.line_ranking import (
    LinesToRank,
    RankingMeasures,
    by_length,
    by_weight,
    measure,
    measure_random,
    removed_lines,
)


def function(*, lines: int, flaws: set[int], weights: dict[int, float], probability: float = 0.5) -> LinesToRank:
    text = [f"line {number}" for number in range(1, lines + 1)]
    return LinesToRank(probability=probability, lines=text, flaws=frozenset(flaws), weights=weights)


def test_the_measures_are_those_of_the_paper() -> None:
    # Ranked 3, 1, 2, 4: one false alarm. Ranked 1 to 12: eleven of them.
    near = function(lines=4, flaws={1, 4}, weights={3: 2.0, 1: 1.0}, probability=0.9)
    far = function(lines=12, flaws={12}, weights={}, probability=0.1)

    # Three vulnerable lines: a fifth of them is found with the first, the second of 16 lines that is read.
    assert measure([far, near], by_weight) == RankingMeasures(top_10=0.5, false_alarms=6.0, effort=2 / 16)


def test_the_longest_lines_and_blank_ones_are_ranked_as_said() -> None:
    one = LinesToRank(
        probability=1.0, lines=["int f()", "{", "   x;   ", "  long();", ""], flaws=frozenset({4}), weights={}
    )

    assert by_length(one) == [1, 4, 3]
    assert by_weight(one) == [1, 3, 4]


def test_a_random_order_is_averaged_and_the_same_each_time() -> None:
    functions = [function(lines=20, flaws={7}, weights={})] * 50

    found = measure_random(functions)

    assert found == measure_random(functions)
    assert found.top_10 == pytest.approx(0.5, abs=0.02)
    assert found.false_alarms == pytest.approx(9.5, abs=0.5)


def test_better_is_more_for_accuracy_and_less_for_the_others_and_equal_is_not_better() -> None:
    ours = RankingMeasures(top_10=0.5, false_alarms=3.0, effort=0.1)

    assert ours.beats(RankingMeasures(top_10=0.4, false_alarms=3.0, effort=0.2)) == {
        "top_10": True,
        "false_alarms": False,
        "effort": True,
    }


def test_what_a_patch_removes_or_changes_is_vulnerable_and_white_space_is_not() -> None:
    vulnerable = "int f(char *p)\n{\n    gets(p);\n    a = 1;\n\n    return  *p;\n}"
    patched = "int f(char *p)\n{\n    fgets(p);\n    check(p);\n    return *p;\n}"

    assert removed_lines(vulnerable, patched) == frozenset({3, 4})
    assert removed_lines(patched, patched) == frozenset()
    assert removed_lines("a;\nb;", "a;\nnew;\nb;") == frozenset()
