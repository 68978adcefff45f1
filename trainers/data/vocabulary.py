"""The numbers that stand for node types, tokens and features; fitted on train, so nothing leaks from other splits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

NONE, UNKNOWN = 0, 1
SPECIAL = ("<none>", "<unknown>")
# A string that is seen once teaches nothing by itself, and `<unknown>` needs examples to be learnt from.
MIN_COUNT = 2


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What each number in a graph means; 0 is none or padding and 1 unknown, except in `edge_types`.

    Args:
        node_types: Kinds of syntax node: fixed by the grammars, or fitted on train where graphs came ready.
        tokens: Most frequent first.
        features: For each feature its values, most frequent first.
        edge_types: Kinds of edge; a reverse edge has its forward type plus their count.
    """

    node_types: tuple[str, ...]
    tokens: tuple[str, ...]
    features: dict[str, tuple[str, ...]]
    edge_types: tuple[str, ...]

    @property
    def edge_types_with_reverse(self) -> int:
        """How many edge types a batch has: each base type and its reverse."""
        return 2 * len(self.edge_types)

    @property
    def feature_sizes(self) -> tuple[int, ...]:
        """How many values each feature has, in the order of `node_features`."""
        return tuple(len(values) for values in self.features.values())

    def to_json(self) -> dict[str, object]:
        """Return the vocabulary as it is written to vocab.json."""
        return {
            "node_types": list(self.node_types),
            "tokens": list(self.tokens),
            "features": [{"name": name, "values": list(v)} for name, v in self.features.items()],
            "edge_types": list(self.edge_types),
        }


def fit_strings(
    counts_S: np.ndarray, spelled: Callable[[int], str], *, size: int
) -> tuple[tuple[str, ...], np.ndarray]:
    """Choose the most frequent strings.

    Args:
        counts_S: How often each string occurs in train, int64; that of string 0 (the empty one) does not matter.
        spelled: Returns one of the S strings by its number.
        size: Entries at most, the two special ones included.

    Returns:
        The values, and for each string number the value's number, int64 (S,): 0 for the empty string, 1 for those
        that were not chosen.
    """
    room = size - len(SPECIAL)
    is_frequent_S = counts_S >= max(MIN_COUNT, _count_at(counts_S[1:], room))
    is_frequent_S[0] = False
    chosen = sorted(np.flatnonzero(is_frequent_S).tolist(), key=lambda i: (-int(counts_S[i]), spelled(i)))[:room]
    number_of_S = np.full(len(counts_S), UNKNOWN, dtype=np.int64)
    number_of_S[0] = NONE
    number_of_S[chosen] = np.arange(len(SPECIAL), len(SPECIAL) + len(chosen))
    return (*SPECIAL, *map(spelled, chosen)), number_of_S


def _count_at(counts_S: np.ndarray, place: int) -> int:
    """Return the count that stands at a place, from 1, when the highest comes first; 0 where there are fewer."""
    return int(np.partition(counts_S, -place)[-place]) if 0 < place <= len(counts_S) else 0
