"""How often each kind of weakness appears, and which model can see it."""

import math
from dataclasses import dataclass
from enum import StrEnum

from cellgate.contract.errors import InputError, SpecError


class Family(StrEnum):
    """Which model can learn a kind: both, only the one on text, or only the one on graphs."""

    BOTH = "both"
    TEXT = "text"
    GRAPH = "graph"


class Kind(StrEnum):
    """How the vulnerable member of a pair differs from its patched one."""

    LATE_CHECK = "late_check"
    BRANCH_CHECK = "branch_check"
    CHECK_GOES_ON = "check_goes_on"
    USE_AFTER_FREE = "use_after_free"
    FREE_GOES_ON = "free_goes_on"
    NARROW_PRODUCT = "narrow_product"
    OFF_BY_ONE = "off_by_one"
    SQL_TEXT = "sql_text"
    WEAK_CIPHER = "weak_cipher"
    SCAN_WIDTH = "scan_width"
    WRONG_CHECK = "wrong_check"
    CHANGED_AFTER_CHECK = "changed_after_check"
    WRONG_FREE = "wrong_free"
    NEW_AFTER_FREE = "new_after_free"


# Text alone: the evidence is inside a string literal, which graphs know only as "a string".
# Graph alone: the evidence is which of two like variables is meant; FINDINGS of the trials put a small text
# model at chance on all four.
KIND_WEIGHTS: dict[Family, dict[Kind, float]] = {
    Family.BOTH: {
        Kind.LATE_CHECK: 3,
        Kind.BRANCH_CHECK: 3,
        Kind.CHECK_GOES_ON: 3,
        Kind.USE_AFTER_FREE: 1,
        Kind.FREE_GOES_ON: 2,
        Kind.NARROW_PRODUCT: 2,
        Kind.OFF_BY_ONE: 1,
    },
    Family.TEXT: {Kind.SQL_TEXT: 1, Kind.WEAK_CIPHER: 1, Kind.SCAN_WIDTH: 1},
    Family.GRAPH: {
        Kind.WRONG_CHECK: 2,
        Kind.CHANGED_AFTER_CHECK: 2,
        Kind.WRONG_FREE: 1,
        Kind.NEW_AFTER_FREE: 1,
    },
}


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the pairs that each family gets.

    Args:
        both: Kinds that text and graph models can both learn; 0 to 1.
        text: Kinds that only a text model can learn; 0 to 1.
        graph: Kinds that only a graph model can learn; 0 to 1.

    Raises:
        SpecError: A share is outside 0 to 1, or the three do not sum to 1.
    """

    both: float = 0.76
    text: float = 0.10
    graph: float = 0.14

    def __post_init__(self) -> None:
        problems = [
            InputError(where=family, found=str(share), expected="a share from 0 to 1")
            for family, share in self.by_family().items()
            if not 0 <= share <= 1
        ]
        total = sum(self.by_family().values())
        if not math.isclose(total, 1, abs_tol=1e-9):
            problems.append(InputError(where="both + text + graph", found=f"{total:g}", expected="1"))
        if problems:
            raise SpecError("The shares of the generated kinds are wrong.", problems)

    def by_family(self) -> dict[Family, float]:
        """Return each family's share."""
        return {Family.BOTH: self.both, Family.TEXT: self.text, Family.GRAPH: self.graph}

    def by_kind(self) -> dict[Kind, float]:
        """Return each kind's share of all pairs; sums to 1."""
        return {
            kind: share * weight / sum(KIND_WEIGHTS[family].values())
            for family, share in self.by_family().items()
            for kind, weight in KIND_WEIGHTS[family].items()
        }


def family_of(kind: Kind) -> Family:
    """Return the family that `kind` belongs to."""
    return next(family for family, kinds in KIND_WEIGHTS.items() if kind in kinds)
