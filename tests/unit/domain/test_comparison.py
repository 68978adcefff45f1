"""Compared runs show their differing settings and their metrics."""

from service.domain.comparison import Compared, metrics_side_by_side, setting_differences

A = Compared(
    config={"model": {"width": 32, "kind": "ggnn"}, "training": {"epochs": 3}, "odd/name": 1},
    result={"metrics": {"gate": {"f1": 0.8, "auroc": None}, "train": {"f1": 1.0}}},
)
B = Compared(
    config={"model": {"width": 64, "kind": "ggnn"}, "training": {"epochs": 3}, "odd/name": 2},
    result=None,
)
C = Compared(config={"model": {"width": 32}}, result={"metrics": {"gate": {"f1": 0.9, "auroc": 0.7}}})


def test_only_settings_that_differ_are_shown_each_by_its_pointer() -> None:
    assert setting_differences([A, B]) == {"/model/width": [32, 64], "/odd~1name": [1, 2]}


def test_a_setting_that_a_run_does_not_have_is_null() -> None:
    assert setting_differences([A, C]) == {
        "/model/kind": ["ggnn", None],
        "/odd~1name": [1, None],
        "/training/epochs": [3, None],
    }


def test_equal_runs_differ_in_nothing() -> None:
    assert setting_differences([A, A]) == {}


def test_metrics_are_shown_by_split_and_name_but_those_of_the_training_split() -> None:
    assert metrics_side_by_side([A, B, C]) == {"gate/f1": [0.8, None, 0.9], "gate/auroc": [None, None, 0.7]}
