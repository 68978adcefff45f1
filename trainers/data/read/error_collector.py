"""Collects every mistake of an input, so that all are reported at once."""

import itertools
import reprlib
from typing import Any

from cellgate.contract.errors import DataError, InputError

MAX_KEPT = 1_000
MAX_SHOWN_CHARS = 60


class _Short(reprlib.Repr):
    """The beginning of a value's `repr`: a value of a stranger may hold millions of others, or itself many times."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = MAX_SHOWN_CHARS
        self.maxlong = self.maxother = 2 * MAX_SHOWN_CHARS

    def repr_str(self, x: str, _level: int) -> str:
        """Return the beginning, where the library's leaves out the middle."""
        return repr(x[:MAX_SHOWN_CHARS])

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Return the beginning in the dictionary's order, where the library's sorts all of it."""
        first = dict(itertools.islice(x.items(), MAX_SHOWN_CHARS // 4))
        pairs = (f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in first.items())
        return "{…}" if level <= 0 else f"{{{', '.join(pairs)}{', …' if len(first) < len(x) else ''}}}"

    def repr_int(self, x: int, _level: int) -> str:
        """Return a number, or how long it is: Python writes out none of more than 4,300 digits."""
        return repr(x) if x.bit_length() < 1_000 else f"a number of {x.bit_length()} bits"


_SHORT = _Short()


def shown(value: object) -> str:
    """Return a value as it is shown in a message: short, on one line; of a large one only the beginning is read."""
    text = _SHORT.repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"


class ErrorCollector:
    """The first 1,000 mistakes, and how many there were."""

    def __init__(self) -> None:
        self._kept: list[InputError] = []
        self.total = 0

    def add(self, where: str, *, found: str, expected: str, fix: str) -> None:
        """Note one mistake.

        Args:
            where: File and line, or field.
            found: The value, shortened.
            expected: What would be right.
            fix: What to do about it.
        """
        self.total += 1
        if len(self._kept) < MAX_KEPT:
            self._kept.append(InputError(where=where, found=found, expected=expected, fix=fix))

    def raise_if_any(self, message: str) -> None:
        """Raise all mistakes together, if there are any.

        Raises:
            DataError: There is at least one.
        """
        if self.total:
            raise DataError(message, self._kept, total=self.total)
