"""Collects every mistake of an input, so that all are reported at once."""

from cellgate.contract.errors import DataError, InputError

MAX_KEPT = 1_000
MAX_SHOWN_CHARS = 60


def shown(value: object) -> str:
    """Return a value as it is shown in a message: short, on one line."""
    text = repr(value)
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
