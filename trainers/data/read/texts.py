"""Functions' texts in a file, so that memory holds those that are looked at."""

from dataclasses import dataclass, field
from typing import IO, Protocol


class Text(Protocol):
    """A function's source, a string or one that lies on disk: `str` gives it, and `len` its characters."""

    def __str__(self) -> str: ...

    def __len__(self) -> int: ...


class TextFile:
    """Texts one after another on disk.

    Args:
        file: Empty, to write and read; it must stay open for as long as its texts are used.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    def keep(self, text: str) -> Text:
        """Write a text, and return it as one that is read where it is asked for.

        Args:
            text: Without half surrogates.
        """
        content = text.encode()
        # Somebody may have read since the last one.
        self._file.seek(self._end)
        self._file.write(content)
        kept = _StoredText(file=self, start=self._end, size_bytes=len(content), chars=len(text))
        self._end += len(content)
        return kept

    def read(self, start: int, size_bytes: int) -> str:
        """Return what lies somewhere in the file."""
        self._file.seek(start)
        return self._file.read(size_bytes).decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoredText:
    file: TextFile = field(repr=False)
    start: int
    size_bytes: int
    chars: int

    def __str__(self) -> str:
        return self.file.read(self.start, self.size_bytes)

    def __len__(self) -> int:
        return self.chars
