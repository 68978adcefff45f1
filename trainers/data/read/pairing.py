"""Pairs of a vulnerable function and its patched version that no column names."""

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from trainers.data.read.row import Row

# Files named so hold a vulnerable function and its patched version on every two rows, as PrimeVul's paired ones.
PAIRED_WORD = "paired"


def pair_neighbours(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a paired file with their pair: an odd row and the next one, of either label."""
    found = list(rows)
    for place, (first, second) in enumerate(itertools.pairwise(rows)):
        is_pair = (
            first.line % 2 == 1
            and second.line == first.line + 1
            and first.label != second.label
            and first.commit == second.commit
            and first.pair is None
            and second.pair is None
        )
        if is_pair:
            found[place : place + 2] = [replace(row, pair=first.id) for row in (first, second)]
    return found


def keep_real_pairs(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without the pairs that are none: those of other than one vulnerable and one safe function."""
    sizes = Counter((row.pair, row.label) for row in rows if row.pair is not None)

    def is_real(pair: str | None) -> bool:
        return pair is None or (sizes[pair, 0] == 1 and sizes[pair, 1] == 1)

    return [row if is_real(row.pair) else replace(row, pair=None) for row in rows]


def count_pairs(rows: Collection[Row]) -> tuple[int, int]:
    """Return how many pairs there are with functions of both labels, and how many functions they hold."""
    labels: dict[str, set[int]] = {}
    for row in rows:
        if row.pair is not None:
            labels.setdefault(row.pair, set()).add(row.label)
    real = {pair for pair, found in labels.items() if len(found) == 2}
    return len(real), sum(row.pair in real for row in rows)
