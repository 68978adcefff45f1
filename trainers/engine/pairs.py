"""Verdicts on pairs of a vulnerable function and its patched version."""

# Shapes: R rows, P pairs, M models.
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.evidence import PAIR_VERDICTS, PairVerdictName

Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


def whole_pairs(labels_R: Integers, pairs: Sequence[str | None]) -> Integers:
    """Return the rows of each pair, (P, 2): the vulnerable function first, its patched version second.

    A pair is whole if exactly two rows have its name, one of each label; any other is left out.

    Args:
        labels_R: 0 or 1.
        pairs: By row, the pair that it belongs to; None for a function without a partner.
    """
    members: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        if pair is not None:
            members.setdefault(pair, []).append(row)
    whole = [
        sorted(rows, key=lambda row: -int(labels_R[row]))
        for rows in members.values()
        if len(rows) == 2 and labels_R[rows].sum() == 1
    ]
    return np.array(whole, dtype=np.int64).reshape(-1, 2)


def pair_verdicts(pair_P2: Integers, called_RM: Booleans) -> Mapping[PairVerdictName, Booleans]:
    """Return by verdict whether a model gives it on each pair, (P, M); each pair has exactly one.

    Args:
        pair_P2: From `whole_pairs`.
        called_RM: True where a model calls a function vulnerable.

    Source:
        P-C, P-V, P-B and P-R of Ding et al. 2024 (PrimeVul), arXiv 2403.18624, section 4.
    """
    before_PM, after_PM = called_RM[pair_P2[:, 0]], called_RM[pair_P2[:, 1]]
    return {
        "correct": before_PM & ~after_PM,
        "vulnerable": before_PM & after_PM,
        "benign": ~before_PM & ~after_PM,
        "reversed": ~before_PM & after_PM,
    }


def pair_shares(
    labels_R: Integers, called_R: Booleans, pairs: Sequence[str | None]
) -> Mapping[PairVerdictName, float | None]:
    """Return the share of pairs with each verdict; null without a whole pair.

    Args:
        labels_R: 0 or 1.
        called_R: True where a function is called vulnerable.
        pairs: By row, the pair that it belongs to; None for a function without a partner.
    """
    pair_P2 = whole_pairs(labels_R, pairs)
    if not len(pair_P2):
        return dict.fromkeys(PAIR_VERDICTS)
    given = pair_verdicts(pair_P2, called_R[:, np.newaxis])
    return {verdict: float(given[verdict].mean()) for verdict in PAIR_VERDICTS}
