"""What a file's first rows hold, column by column: to propose columns where none has a known name."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from trainers.data.read.error_collector import shown
from trainers.data.read.known_fields import is_code
from trainers.data.read.nested import value_at


class FirstRows:
    """The values of the columns.

    Each value is looked up once: rows of strangers may have a thousand columns each of which no other row has.

    Args:
        rows: The rows.
        columns: Of the file; also paths of values within objects.
    """

    def __init__(self, rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
        self._rows = len(rows)
        self._values: defaultdict[str, list[object]] = defaultdict(list)
        whole = set().union(*rows)
        paths = [column for column in columns if column not in whole]
        for content in rows:
            for column in (*content, *paths):
                self._values[column].append(value_at(content, column))

    def values(self, column: str) -> Sequence[object]:
        """Return a column's values in the rows that have it."""
        return self._values.get(column, ())

    def code_share(self, column: str) -> float:
        """Return the share of the rows in which a column holds code."""
        return sum(map(is_code, self.values(column))) / max(self._rows, 1)

    def distinct(self, column: str) -> set[str]:
        """Return a column's different values, as they are shown; where a row lacks it, None is one of them."""
        values = self.values(column)
        return {shown(value) for value in (*values, *(() if len(values) == self._rows else (None,)))}
