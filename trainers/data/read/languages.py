"""Which language a row says it is in, and whether such rows are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainers.data.read.column_names import is_file_name
from trainers.data.read.evidence import ValueCounts
from trainers.data.read.nested import value_at
from trainers.data.read.values import is_c, is_missing, language_of, language_of_file

# Of a longer value only the beginning can be a language, and only the end a suffix.
MAX_CHARS = 100


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a row says of its language.

    Args:
        unwanted: The language, where it is none that is kept.
        is_c: Whether it is said to be C or C++.
    """

    unwanted: str | None
    is_c: bool


class LanguageColumns:
    """Reads the languages of a file's rows.

    Args:
        columns: In which a language or a file's name stands.
        kept: The languages that are wanted; empty: all.
        seen: Counts what rows state.
    """

    def __init__(self, columns: Sequence[str], kept: Sequence[str], seen: ValueCounts) -> None:
        self._columns, self._seen = columns, seen
        self._kept = {language_of(word) for word in kept}

    def read(self, content: Mapping[str, object]) -> Stated:
        """Return what a row says; the first column that names a language counts."""
        says_c = False
        for column in self._columns:
            value = value_at(content, column)
            if is_missing(value) or not isinstance(value, str):
                continue
            says_c = says_c or is_c(value[-MAX_CHARS:])
            language = language_of_file(value) if is_file_name(column) else language_of(value[:MAX_CHARS])
            if language is not None:
                self._seen.add(language)
                is_unwanted = bool(self._kept) and language not in self._kept
                return Stated(unwanted=language if is_unwanted else None, is_c=says_c)
        return Stated(unwanted=None, is_c=says_c)
