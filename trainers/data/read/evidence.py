"""What reading learns besides the rows: which values there were, and where two columns say different things."""

from collections import Counter
from dataclasses import dataclass, field

from cellgate.contract.inspection import MAX_VALUES, OTHERS, Meaning


class ValueCounts(Counter[str]):
    """How often each value occurs; beyond MAX_VALUES distinct ones, all new ones are counted as one."""

    def add(self, value: str) -> None:
        """Count one."""
        self[value if value in self or len(self) < MAX_VALUES else OTHERS] += 1


@dataclass(kw_only=True)
class Evidence:
    """What was seen over all files.

    Args:
        labels: Functions by label value.
        meanings: What each of these values was taken for.
        languages: Rows by stated language.
        differences: Rows in which two columns that may both be meant differ: our field, the one read, the other.
        first_difference: The first of these rows.
        unreadable_dates: Functions with a date that cannot be read in one way only.
        single_texts: Rows that should hold two texts and hold one.
        two_texts: Rows that hold two.
        equal_texts: Rows that hold the same text twice.
        stood_in: Rows without a value in the column of a text or a label, read from another: field, column, other.
        against_name: Rows whose label is another one than their file's name states.
    """

    labels: ValueCounts = field(default_factory=ValueCounts)
    meanings: dict[str, Meaning] = field(default_factory=dict)
    languages: ValueCounts = field(default_factory=ValueCounts)
    differences: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    first_difference: dict[tuple[str, str, str], str] = field(default_factory=dict)
    unreadable_dates: int = 0
    single_texts: int = 0
    two_texts: int = 0
    equal_texts: int = 0
    stood_in: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    against_name: int = 0

    def note_difference(self, compared: tuple[str, str, str], where: str) -> None:
        """Count a row in which two columns differ."""
        self.differences[compared] += 1
        self.first_difference.setdefault(compared, where)
