"""Verdicts on pairs of a vulnerable function and its patched version, worked out by hand."""

import numpy as np
import pytest

from trainers.engine.metrics import compute_metrics
from trainers.engine.pairs import pair_shares, whole_pairs

# Pair a is right, b and c are called vulnerable, d is called safe, e is reversed; f is right, its members apart.
PAIRS = ["f", "a", "a", "b", "b", "c", "c", "d", "d", "e", "e", "f"]
LABELS = np.array([0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1])
CALLED = np.array([0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1], dtype=bool)


def test_each_pair_has_the_verdict_that_primevul_gives_it() -> None:
    assert pair_shares(LABELS, CALLED, PAIRS) == {
        "correct": 2 / 6,
        "vulnerable": 2 / 6,
        "benign": 1 / 6,
        "reversed": 1 / 6,
    }


def test_the_vulnerable_function_of_a_pair_stands_first_whichever_row_comes_first() -> None:
    assert whole_pairs(np.array([0, 1, 1, 0]), ["a", "b", "a", "b"]).tolist() == [[2, 0], [1, 3]]


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        pytest.param([], [], id="no function"),
        pytest.param([1, 0], [None, None], id="no name"),
        pytest.param([1, 0], ["a", None], id="the other member is elsewhere"),
        pytest.param([1, 1, 0, 0], ["a", "a", "b", "b"], id="both members have one label"),
        pytest.param([1, 0, 0], ["a", "a", "a"], id="three members"),
    ],
)
def test_what_is_no_whole_pair_has_no_verdict(labels: list[int], pairs: list[str | None]) -> None:
    labels_R = np.array(labels, dtype=np.int64)

    assert whole_pairs(labels_R, pairs).shape == (0, 2)
    assert set(pair_shares(labels_R, labels_R == 1, pairs).values()) == {None}


def test_a_split_s_scores_have_all_four_shares_and_none_without_pairs() -> None:
    logits = np.stack([np.zeros(12), np.where(CALLED, 1.0, -1.0)], axis=1)

    found = compute_metrics(LABELS, logits, threshold=0.5, temperature=1.0, pairs=PAIRS)
    without = compute_metrics(LABELS, logits, threshold=0.5, temperature=1.0)

    assert (found.pairwise_correct, found.pairwise_vulnerable) == (2 / 6, 2 / 6)
    assert (found.pairwise_benign, found.pairwise_reversed) == (1 / 6, 1 / 6)
    assert without.pairwise_correct is without.pairwise_benign is None
