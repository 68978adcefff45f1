"""What a split shares with train is counted over the functions of which it is known, and what matters is warned of."""

from dataclasses import replace

import pytest

from cellgate.contract.composition import SharedWithTrain, SplitComposition
from cellgate.contract.configs import Split
from trainers.data.clean.composition import compose, composition_warnings
from trainers.data.read.row import Row

T, G = Split.TRAIN, Split.GATE
BARE = Row(
    line=1,
    where="line 1",
    id="f",
    text="int f();",
    label=0,
    split=None,
    project=None,
    commit=None,
    cwe=None,
    pair=None,
)


def composed(train: list[Row], gate: list[Row]) -> dict[Split, SplitComposition]:
    return compose([*train, *gate], [T] * len(train) + [G] * len(gate))


def test_a_share_is_over_the_functions_of_which_the_value_is_known() -> None:
    train = [replace(BARE, project="curl", commit="a"), replace(BARE, project="zlib")]
    gate = [replace(BARE, project="curl"), replace(BARE, project="lua", commit="a"), BARE]

    found = composed(train, gate)[G]

    assert found.projects == SharedWithTrain(known=2, in_train=1)
    assert found.commits == SharedWithTrain(known=1, in_train=1)
    assert found.weaknesses == SharedWithTrain(known=0, in_train=0)


def test_of_several_weaknesses_one_in_train_is_enough_and_those_of_safe_functions_do_not_count() -> None:
    train = [replace(BARE, label=1, cwe="CWE-787"), replace(BARE, label=0, cwe="CWE-20")]
    gate = [
        replace(BARE, label=1, cwe="CWE-416, CWE-787"),
        replace(BARE, label=1, cwe="CWE-20"),
        replace(BARE, label=0, cwe="CWE-787"),
    ]

    assert composed(train, gate)[G].weaknesses == SharedWithTrain(known=2, in_train=1)


def test_functions_from_before_the_newest_of_train_are_counted() -> None:
    train = [replace(BARE, date="2019-01-01"), replace(BARE, date="2021-06-30"), BARE]
    gate = [replace(BARE, date=date) for date in ("2020-02-02", "2021-06-30", "2022-01-01")]

    found = composed(train, gate)

    assert found[G].dates is not None
    assert found[G].dates.before_train_ends == 1
    assert (found[G].dates.earliest, found[G].dates.latest) == ("2020-02-02", "2022-01-01")
    assert found[T].dates is not None
    assert found[T].dates.before_train_ends is None


def test_a_shift_of_prevalence_is_in_standard_errors_of_the_difference() -> None:
    train = [replace(BARE, label=label) for label in (0, 1) * 50]
    gate = [replace(BARE, label=label) for label in (0, 0, 0, 1) * 25]

    found = composed(train, gate)[G]

    # Pooled .375: the difference of .25 over the root of .375 × .625 × (1/100 + 1/100).
    assert found.prevalence_shift_errors == pytest.approx(3.651484, abs=1e-6)
    assert composed(train, train)[G].prevalence_shift_errors == 0


def test_sets_of_one_label_do_not_vary() -> None:
    assert composed([BARE], [BARE])[G].prevalence_shift_errors == 0


def test_lengths_that_never_overlap_are_at_distance_1_and_equal_ones_at_0() -> None:
    short, long = replace(BARE, text="f"), replace(BARE, text="f" * 9)

    assert composed([short] * 3, [long] * 3)[G].lengths.distance == 1
    assert composed([short, long], [long, short])[G].lengths.distance == 0
    assert composed([short] * 3, [long] * 3)[G].lengths.median_chars == 9


def test_a_set_for_evaluation_has_no_train_to_compare_with() -> None:
    assert compose([BARE], [G]) == {}
    assert composition_warnings({}) == []


def test_what_makes_a_score_mean_something_else_is_warned_of_with_the_share_and_what_to_do() -> None:
    train = [replace(BARE, commit="a", date="2022-01-01", label=label) for label in (0, 1) * 200]
    gate = [replace(BARE, commit="a", date="2020-01-01", text="f" * 99, label=int(n % 5 == 0)) for n in range(400)]

    warnings = composition_warnings(composed(train, gate))

    assert [warning.split(":")[0] for warning in warnings] == [
        "Functions share a commit with train",
        "Functions are older than the newest one of train",
        "The share of vulnerable functions is not that of train (50.0%)",
        "Functions are not as long as those of train (median 8 characters)",
    ]
    assert "100.0% of gate. Group by commit" in warnings[0]
    assert 'split "time"' in warnings[1]
    assert "20.0% of gate" in warnings[2]
    assert "99 of gate" in warnings[3]


def test_differences_that_chance_explains_are_not_warned_of() -> None:
    train = [replace(BARE, label=label, text="f" * length) for label, length in ((0, 5), (1, 9)) * 10]
    gate = [replace(BARE, label=label, text="f" * length) for label, length in ((0, 5), (0, 5), (1, 9)) * 3]

    assert composition_warnings(composed(train, gate)) == []
