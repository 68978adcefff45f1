"""Functions outside train with a near-duplicate in train, which a model may have memorised."""

# Shapes: F functions, P pairs.
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split
from cellgate.contract.results import NearDuplicates
from trainers.data.clean.near_duplicates import NearPairs
from trainers.data.read.row import Row

MAX_LISTED = 50
DIGITS = 6
OTHER_SPLITS = tuple(split for split in Split if split is not Split.TRAIN)
# With names as they stand, with names made one, and the higher of both.
VIEWS = ("names_kept", "names_made_one", "either")


@dataclass(frozen=True, kw_only=True)
class NearMatch:
    """A function outside train and the function of train that is most like it."""

    id: str
    split: Split
    train_id: str
    similarity: float
    renamed_similarity: float
    same_label: bool


@dataclass(frozen=True, kw_only=True)
class CrossSplit:
    """Near-duplicates across the border of train.

    Args:
        similarity: From which on two functions are near-duplicates.
        counts: By view, then by split.
        matches: The most similar ones, at most `MAX_LISTED`.
        complete: Whether all pairs were compared; there may be too many.
    """

    similarity: float
    counts: dict[str, dict[Split, NearDuplicates]]
    matches: list[NearMatch]
    complete: bool = True

    def to_json(self) -> dict[str, object]:
        """Return this as it stands in the report."""
        return {
            "similarity": self.similarity,
            **{
                view: {split.value: counts.model_dump() for split, counts in by_split.items()}
                for view, by_split in self.counts.items()
            },
            "pairs": [{**vars(match), "split": match.split.value} for match in self.matches],
        }


@dataclass(frozen=True, kw_only=True)
class _Nearest:
    """For each function outside train that has a near-duplicate there: its place and the nearest one's."""

    other_P: NDArray[np.int64]
    train_P: NDArray[np.int64]
    pair_P: NDArray[np.int64]


def compare_splits(pairs: NearPairs, rows: Sequence[Row], splits: Sequence[Split], *, similarity: float) -> CrossSplit:
    """Count the functions outside train that have a near-duplicate in train.

    Args:
        pairs: All near-duplicates among `rows`.
        splits: Each row's split.
        similarity: From which on they were looked for.
    """
    is_train_F = np.array([split is Split.TRAIN for split in splits])
    likeness = {
        "names_kept": pairs.similarity_P,
        "names_made_one": pairs.renamed_similarity_P,
        "either": np.maximum(pairs.similarity_P, pairs.renamed_similarity_P),
    }
    nearest = {view: _nearest(pairs, likeness[view], is_train_F, similarity) for view in VIEWS}
    return CrossSplit(
        similarity=similarity,
        counts={view: _counts(found, rows, splits) for view, found in nearest.items()},
        matches=_matches(pairs, nearest["either"], likeness["either"], rows, splits),
        complete=pairs.complete,
    )


def _nearest(
    pairs: NearPairs, likeness_P: NDArray[np.float64], is_train_F: NDArray[np.bool_], similarity: float
) -> _Nearest:
    first_is_train_P, second_is_train_P = is_train_F[pairs.first_P], is_train_F[pairs.second_P]
    pair_P = np.flatnonzero((first_is_train_P != second_is_train_P) & (likeness_P >= similarity))
    train_P = np.where(first_is_train_P, pairs.first_P, pairs.second_P)[pair_P]
    other_P = np.where(first_is_train_P, pairs.second_P, pairs.first_P)[pair_P]
    order = np.lexsort((train_P, -likeness_P[pair_P], other_P))
    other_P, train_P, pair_P = other_P[order], train_P[order], pair_P[order]
    functions, best = np.unique(other_P, return_index=True)
    return _Nearest(other_P=functions, train_P=train_P[best], pair_P=pair_P[best])


def _counts(nearest: _Nearest, rows: Sequence[Row], splits: Sequence[Split]) -> dict[Split, NearDuplicates]:
    found = {split: [0, 0] for split in OTHER_SPLITS}
    for other, train in zip(nearest.other_P.tolist(), nearest.train_P.tolist(), strict=True):
        found[splits[other]][0] += 1
        found[splits[other]][1] += rows[other].label != rows[train].label
    return {
        split: NearDuplicates(
            rows=count, share=round(count / max(1, splits.count(split)), DIGITS), other_label=other_label
        )
        for split, (count, other_label) in found.items()
    }


def _matches(
    pairs: NearPairs,
    nearest: _Nearest,
    likeness_P: NDArray[np.float64],
    rows: Sequence[Row],
    splits: Sequence[Split],
) -> list[NearMatch]:
    listed = np.lexsort((nearest.other_P, -likeness_P[nearest.pair_P]))[:MAX_LISTED]
    return [
        NearMatch(
            id=rows[other].id,
            split=splits[other],
            train_id=rows[train].id,
            similarity=round(float(pairs.similarity_P[pair]), DIGITS),
            renamed_similarity=round(float(pairs.renamed_similarity_P[pair]), DIGITS),
            same_label=rows[other].label == rows[train].label,
        )
        for other, train, pair in zip(
            nearest.other_P[listed].tolist(),
            nearest.train_P[listed].tolist(),
            nearest.pair_P[listed].tolist(),
            strict=True,
        )
    ]
