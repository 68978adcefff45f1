"""One labelled function, as everything after reading takes it."""

from dataclasses import dataclass

from trainers.data.read.texts import Text


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One function as it was read, text normalised.

    Args:
        line: Its line in the file, or its place among the rows where a row has no line of its own; from 1.
        where: The same as messages show it, with the file's name when there are several.
        text: Its source; whoever needs it asks for `func`, since it may lie on disk.
        split: The file's own split name, if any.
        cwe: Weaknesses, joined by commas when there are several.
        date: YYYY-MM-DD.
    """

    line: int
    where: str
    id: str
    text: Text
    label: int
    split: str | None
    project: str | None
    commit: str | None
    cwe: str | None
    pair: str | None
    date: str | None = None

    @property
    def func(self) -> str:
        """The source."""
        return str(self.text)


def normalise(text: str) -> str:
    """Return the function with line endings as \\n, and no white space or byte order mark around it; comments stay."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip().lstrip("\ufeff").lstrip()
