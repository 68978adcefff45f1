"""Labelled functions from a file: every row is checked, and every mistake is reported with its place."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cellgate.contract.configs import FieldNames
from trainers.data.read.error_collector import ErrorCollector, shown
from trainers.data.read.records import Record, read_records

# The names that published sets use, ours first: Devign and CodeXGLUE, BigVul, DiverseVul and PrimeVul.
KNOWN_FIELDS: dict[str, tuple[str, ...]] = {
    "func": ("func", "func_before", "processed_func", "code", "function"),
    "target": ("target", "label", "vul"),
    "id": ("id", "idx", "index"),
    "split": ("split",),
    "project": ("project",),
    "commit": ("commit", "commit_id"),
    "cwe": ("cwe", "CWE ID", "cwe_id"),
    "pair": ("pair", "pair_id"),
}
REQUIRED = ("func", "target")
LABELS: dict[object, int] = {0: 0, 1: 1, "0": 0, "1": 1}
# Files named so hold a vulnerable function and its patched version on every two rows, as PrimeVul's paired ones.
PAIRED_WORD = "paired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One function as it was read, text normalised.

    Args:
        line: Its line in the file, or its place among the rows where a row has no line of its own; from 1.
        where: The same as messages show it, with the file's name when there are several.
        split: The file's own split name, if any.
        cwe: Weaknesses, joined by commas when there are several.
    """

    line: int
    where: str
    id: str
    func: str
    label: int
    split: str | None
    project: str | None
    commit: str | None
    cwe: str | None
    pair: str | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a file holds.

    Args:
        layout: For each of our names the file's fields that are looked at, in this order.
        read: Rows in the file.
        too_long: Ids of rows left out for their length.
    """

    rows: list[Row]
    layout: dict[str, tuple[str, ...]]
    read: int
    too_long: tuple[str, ...]


def normalise(text: str) -> str:
    """Return the function with line endings as \\n and no white space around it; comments stay."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def read_rows(source: Path, fields: FieldNames, *, max_function_chars: int) -> Reading:
    """Read and check a whole file, or all files of a folder.

    Args:
        fields: The file's field names; what it leaves open is recognised.
        max_function_chars: Longer functions are counted and left out.

    Raises:
        DataError: The file cannot be read, is empty, or has at least one bad row; all are listed.
    """
    problems = ErrorCollector()
    reader = _RowReader(fields, max_function_chars, problems)
    for record in read_records(source, problems):
        reader.take(record)
    return reader.finish(source)


class _RowReader:
    def __init__(self, fields: FieldNames, max_function_chars: int, problems: ErrorCollector) -> None:
        chosen = fields.model_dump()
        self._candidates = {
            name: (chosen[name],) if chosen[name] is not None else known for name, known in KNOWN_FIELDS.items()
        }
        self._max_chars = max_function_chars
        self._problems = problems
        self._layout: dict[str, tuple[str, ...]] | None = None
        self._rows: list[Row] = []
        self._first_of_id: dict[str, Row] = {}
        self._read = 0
        self._too_long: list[str] = []
        self._paired: list[Row] = []

    def take(self, record: Record) -> None:
        """Check one row and keep it when it is good."""
        self._read += 1
        content, where = record.content, record.where
        if content is None:
            return
        if self._layout is None:
            self._layout = self._recognise(content)
        before = self._problems.total
        func, label = self._func(where, content), self._label(where, content)
        texts = {name: self._text(where, content, name) for name in KNOWN_FIELDS if name not in REQUIRED}
        if self._problems.total > before or func is None or label is None:
            return
        row_id = texts.pop("id") or where.replace(", ", "-").replace(" ", "-")
        if len(func) > self._max_chars:
            self._too_long.append(row_id)
            return
        split = texts.pop("split") or record.split
        row = Row(line=record.number, where=where, id=row_id, func=func, label=label, split=split, **texts)
        if self._keep(row) and PAIRED_WORD in record.file:
            self._paired.append(row)

    def finish(self, source: Path) -> Reading:
        """Return the rows, or raise every mistake together."""
        if self._read == 0:
            self._problems.add(str(source), found="no rows", expected="one function per row", fix="check the file")
        self._problems.raise_if_any(f"{source}: {self._problems.total} mistakes in {self._read} rows")
        if not self._rows:
            self._problems.add(
                str(source),
                found=f"{self._read} rows, all longer than {self._max_chars} characters",
                expected="functions within max_function_chars",
                fix="raise max_function_chars",
            )
            self._problems.raise_if_any(f"{source}: no row is left")
        paired = _paired(self._paired)
        return Reading(
            rows=[paired.get(row.where, row) for row in self._rows],
            layout=self._layout or {},
            read=self._read,
            too_long=tuple(self._too_long),
        )

    def _recognise(self, record: dict[str, object]) -> dict[str, tuple[str, ...]]:
        """Fix which field holds function and label for the whole file: the first row decides."""
        layout = dict(self._candidates)
        for name in REQUIRED:
            present = [field for field in layout[name] if field in record]
            layout[name] = tuple(present[:1] or layout[name][:1])
        return layout

    def _value(self, record: dict[str, object], name: str) -> object:
        fields = self._layout[name] if self._layout is not None else ()
        return next((record[field] for field in fields if record.get(field) is not None), None)

    def _missing(self, where: str, record: dict[str, object], name: str) -> None:
        field = self._layout[name][0] if self._layout is not None else name
        self._problems.add(
            f"{where}, {field}",
            found=f"no such field among {shown(sorted(record))}",
            expected=f"the field that holds {name}",
            fix=f"add it, or name the file's field in fields.{name}",
        )

    def _func(self, where: str, record: dict[str, object]) -> str | None:
        value = self._value(record, "func")
        if value is None:
            self._missing(where, record, "func")
            return None
        place = f"{where}, func"
        if not isinstance(value, str):
            self._problems.add(place, found=shown(value), expected="a function as text", fix="give source code")
            return None
        func = normalise(value)
        if not func:
            self._problems.add(
                place, found="an empty function", expected="source code", fix="remove the row or fill it"
            )
            return None
        return func if self._is_unicode(place, func) else None

    def _label(self, where: str, record: dict[str, object]) -> int | None:
        value = self._value(record, "target")
        if value is None:
            self._missing(where, record, "target")
            return None
        label = LABELS.get(value) if isinstance(value, int | float | str) else None
        if label is None:
            self._problems.add(
                f"{where}, target",
                found=shown(value),
                expected="0 (not vulnerable) or 1 (vulnerable)",
                fix="map the label to 0 or 1",
            )
        return label

    def _text(self, where: str, record: dict[str, object], name: str) -> str | None:
        value = self._value(record, name)
        if value is None or value == "":
            return None
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = ",".join(value) or None
        if value is None:
            return None
        if isinstance(value, bool | float | list | dict):
            self._problems.add(
                f"{where}, {name}", found=shown(value), expected="text or a whole number", fix="write it as text"
            )
            return None
        text = str(value)
        return text if self._is_unicode(f"{where}, {name}", text) else None

    def _is_unicode(self, place: str, text: str) -> bool:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            self._problems.add(
                place,
                found=f"half of a surrogate pair at character {error.start}",
                expected="Unicode text",
                fix="repair the \\u escapes of the line",
            )
            return False
        return True

    def _keep(self, row: Row) -> bool:
        first = self._first_of_id.setdefault(row.id, row)
        if first is not row and first.func != row.func:
            self._problems.add(
                f"{row.where}, id",
                found=f"{shown(row.id)}, which {first.where} has for another function",
                expected="one id per function",
                fix="give each function its own id",
            )
            return False
        self._rows.append(row)
        return True


def _paired(rows: Sequence[Row]) -> dict[str, Row]:
    """Return, by place, the rows of a paired file with their pair: an odd row and the next one, of either label."""
    found: dict[str, Row] = {}
    for first, second in itertools.pairwise(rows):
        is_pair = (
            first.line % 2 == 1
            and second.line == first.line + 1
            and first.label != second.label
            and first.commit == second.commit
            and first.pair is None
            and second.pair is None
        )
        if is_pair:
            found.update({row.where: replace(row, pair=first.id) for row in (first, second)})
    return found
