"""Near-duplicates across the border of train: counted once per function, against the most similar one of train."""

import numpy as np

from cellgate.contract.configs import Split
from trainers.data.clean.cross_split import CrossSplit, compare_splits
from trainers.data.clean.near_duplicates import NearPairs
from trainers.data.read.row import Row

T, D, G = Split.TRAIN, Split.DEV, Split.GATE
Pair = tuple[int, int, float, float]


def row(place: int, label: int) -> Row:
    return Row(
        line=place + 1,
        where=f"line {place + 1}",
        id=f"f{place}",
        text="int f();",
        label=label,
        split=None,
        project=None,
        commit=None,
        cwe=None,
        pair=None,
    )


def compared(splits: list[Split], labels: list[int], *pairs: Pair) -> CrossSplit:
    columns = [np.array(column) for column in zip(*pairs, strict=True)] or [np.empty(0)] * 4
    near = NearPairs(
        first_P=columns[0].astype(np.int64),
        second_P=columns[1].astype(np.int64),
        similarity_P=columns[2].astype(np.float64),
        renamed_similarity_P=columns[3].astype(np.float64),
    )
    rows = [row(place, label) for place, label in enumerate(labels)]
    return compare_splits(near, rows, splits, similarity=0.8)


def counts(found: CrossSplit, view: str, split: Split) -> tuple[int, float, int]:
    of_split = found.counts[view][split]
    return of_split.rows, of_split.share, of_split.other_label


def test_a_function_is_counted_once_and_its_nearest_of_train_tells_the_label():
    found = compared([T, T, G, G], [0, 1, 1, 0], (0, 2, 0.85, 0.85), (1, 2, 0.95, 0.95))

    assert counts(found, "either", G) == (1, 0.5, 0)
    assert [(match.id, match.train_id, match.similarity, match.same_label) for match in found.matches] == [
        ("f2", "f1", 0.95, True)
    ]


def test_a_nearest_function_with_the_other_label_is_counted_as_such():
    found = compared([T, G], [1, 0], (0, 1, 0.9, 0.9))

    assert counts(found, "either", G) == (1, 1.0, 1)
    assert not found.matches[0].same_label


def test_pairs_within_train_and_between_two_other_splits_do_not_count():
    found = compared([T, T, D, G], [0, 0, 0, 0], (0, 1, 1.0, 1.0), (2, 3, 1.0, 1.0))

    assert counts(found, "either", D) == counts(found, "either", G) == (0, 0.0, 0)
    assert found.matches == []


def test_each_way_of_comparing_is_counted_by_itself():
    found = compared([T, T, D, D, D], [0] * 5, (0, 2, 0.9, 0.5), (1, 3, 0.5, 0.9), (0, 4, 0.9, 0.9))

    assert [counts(found, view, D)[0] for view in ("names_kept", "names_made_one", "either")] == [2, 2, 3]


def test_only_the_fifty_most_similar_are_listed_the_most_similar_first():
    splits = [T, *[G] * 60]
    found = compared(splits, [0] * 61, *[(0, place, 0.8 + place / 1000, 0.0) for place in range(1, 61)])

    assert counts(found, "either", G)[0] == 60
    assert [match.id for match in found.matches] == [f"f{place}" for place in range(60, 10, -1)]


def test_a_set_without_near_duplicates_has_zeros_for_every_split_but_train():
    found = compared([T, G], [0, 0])

    assert list(found.counts["either"]) == [split for split in Split if split is not T]
    assert counts(found, "either", Split.TEST) == (0, 0.0, 0)
