"""Which columns of a file have a known name of one of our fields."""

import re
from collections.abc import Collection, Iterable, Sequence

from trainers.data.read.known_fields import FILE_NAMES, KNOWN_FIELDS
from trainers.data.read.nested import SEPARATOR

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
# What pandas adds to the names of columns that two tables share, or that a table has twice.
_COPY = re.compile(r"(?:\.\d+|_[xy])$")
# Of a field: each of them is looked at in every row.
MAX_ALIKE = 20


def plain(name: str) -> str:
    """Return a column's name as it is compared: `Source Code`, `source_code` and `sourceCode` are one."""
    return _BETWEEN_WORDS.sub("", name).casefold()


_FILE_NAMES = frozenset(map(plain, FILE_NAMES))


def is_file_name(column: str) -> bool:
    """Return whether a column shows a language by the suffix of a file's name alone."""
    return plain(column.rpartition(SEPARATOR)[2]) in _FILE_NAMES


class ColumnNames:
    """The names of a file's columns.

    Args:
        columns: In their order.
        paths: Of values within objects.
    """

    def __init__(self, columns: Sequence[str], paths: Sequence[str] = ()) -> None:
        self._columns = _by_name((plain(column), column) for column in columns)
        self._copies = _by_name((plain(_COPY.sub("", column)), column) for column in columns if _COPY.search(column))
        inner = (*(column for column in columns if SEPARATOR in column), *paths)
        self._paths = _by_name((plain(path.rpartition(SEPARATOR)[2]), path) for path in inner)

    def known(self, field: str) -> list[str]:
        """Return the columns of the field's known names in their order: equal ones, such in another case, copies.

        At most `MAX_ALIKE`: there are endless spellings of one name.
        """
        names = KNOWN_FIELDS[field]
        alike = [
            column
            for name in names
            for column in sorted(self._columns.get(plain(name), ()), key=lambda column, name=name: column != name)
        ]
        copies = [column for name in names for column in self._copies.get(plain(name), ())]
        return list(dict.fromkeys((*alike, *copies)))[:MAX_ALIKE]

    def known_paths(self, field: str) -> list[str]:
        """Return the paths whose last part is a known name of the field, at most `MAX_ALIKE`."""
        paths = (path for name in KNOWN_FIELDS[field] for path in self._paths.get(plain(name), ()))
        return list(dict.fromkeys(paths))[:MAX_ALIKE]


def parents(columns: Collection[str]) -> frozenset[str]:
    """Return the paths of the objects that hold these values."""
    return frozenset(column.rpartition(SEPARATOR)[0] for column in columns if SEPARATOR in column)


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, column in pairs:
        found.setdefault(name, []).append(column)
    return found
