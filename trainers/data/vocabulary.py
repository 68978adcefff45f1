"""The numbers that stand for node types, tokens and features; fitted on train, so nothing leaks from other splits."""

from collections.abc import Sequence
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


def fit_strings(counts_S: np.ndarray, strings: Sequence[str], *, size: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Choose the most frequent strings.

    Args:
        counts_S: How often each string occurs in train, int64; that of string 0 (the empty one) does not matter.
        strings: The S strings by number.
        size: Entries at most, the two special ones included.

    Returns:
        The values, and for each string number the value's number, int64 (S,): 0 for the empty string, 1 for those
        that were not chosen.
    """
    frequent = [i for i in np.flatnonzero(counts_S >= MIN_COUNT).tolist() if i != 0]
    chosen = sorted(frequent, key=lambda i: (-int(counts_S[i]), strings[i]))[: size - len(SPECIAL)]
    number_of_S = np.full(len(strings), UNKNOWN, dtype=np.int64)
    number_of_S[0] = NONE
    number_of_S[chosen] = np.arange(len(SPECIAL), len(SPECIAL) + len(chosen))
    return (*SPECIAL, *(strings[i] for i in chosen)), number_of_S
