"""A first look at a file of labelled functions, before any run is created for it.

It refuses what cannot hold labelled functions at all. A single bad row is left to the run, which leaves it out and
counts it.
"""

import csv
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from cellgate.contract.configs import FieldNames
from cellgate.contract.errors import shortened
from cellgate.contract.source_files import PARQUET_FORMS, without_packing
from trainers.data.read.column_names import ColumnNames
from trainers.data.read.compressed import open_source
from trainers.data.read.json_rows import BYTE_ORDER_MARK, objects_of_line
from trainers.data.read.known_fields import KNOWN_FIELDS
from trainers.data.read.nested import names_in
from trainers.data.read.raw_rows import Defect
from trainers.data.read.stated_names import label_in
from trainers.data.read.tables import begin_table, has_table, is_before_header

LOOKED_AT_LINES = 50
MAX_LINE_BYTES = 4_000_000
# Of a file after its first line; of many files that is much.
LOOKED_AT_BYTES = 4_000_000
SHOWN_MISTAKES = 5
SHOWN_NAMES = 8
ZSTD_SUFFIXES = (".zst", ".zstd")
WHOLE_VALUE_FORM = ".json"


def first_look(path: Path, fields: FieldNames) -> list[str]:
    """Return why a file holds no labelled functions; an empty list where nothing speaks against it.

    Args:
        path: A regular file with a suffix that is read.
        fields: Names of the columns that hold source text, label and the rest.
    """
    # These need pyarrow, which a server may lack; the run has it.
    if without_packing(path.name).endswith(PARQUET_FORMS) or path.name.lower().endswith(ZSTD_SUFFIXES):
        return []
    try:
        with open_source(path) as file:
            lines = _lines(file)
            # Empty lines may stand before the rows, and before a header.
            first = next((line for line in lines if line[1].strip()), (1, b""))
            if has_table(first[1], path.name):
                begun = (line[1] for line in itertools.chain([first], lines))
                header = next((line for line in begun if not is_before_header(_text(line))), b"")
                return list(_header(header, path, fields))
            if _is_begun_value(first[1], path):
                # One value on several lines, or as long as the file: the run that reads it looks at its rows.
                return []
            return list(_rows(itertools.chain([first], lines), path, fields))
    except (OSError, EOFError, zlib.error) as error:
        return [f"it cannot be read: {error}"]


def _is_begun_value(line: bytes, path: Path) -> bool:
    if not without_packing(path.name).endswith(WHOLE_VALUE_FORM):
        return False
    begun = line.strip()
    return begun.startswith(b"[") or begun == b"{" or len(line) == MAX_LINE_BYTES


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the first lines."""
    left = LOOKED_AT_BYTES
    for number in range(1, LOOKED_AT_LINES + 1):
        line = file.readline(MAX_LINE_BYTES)
        left -= len(line) if number > 1 else 0
        if not line or left < 0:
            return
        yield number, line


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", errors="replace")


def _header(line: bytes, path: Path, fields: FieldNames) -> Iterator[str]:
    text = _text(line)
    try:
        # Lines may end with \r alone, and the first may end within a quoted name.
        _, names = begin_table(text, io.StringIO(text, newline=""), strict=False)
    except csv.Error as error:
        yield f"its header cannot be read: {error}"
        return
    yield from _missing([names], path, fields, what="its header has")


def _rows(lines: Iterable[tuple[int, bytes]], path: Path, fields: FieldNames) -> Iterator[str]:
    columns: list[list[str]] = []
    mistakes: list[tuple[int, str]] = []
    for number, line in lines:
        if len(line) == MAX_LINE_BYTES:
            yield f"line {number}: it is longer than {MAX_LINE_BYTES} bytes; expected one function per line"
            return
        if not line.strip():
            continue
        found = _row(line)
        if isinstance(found, str):
            mistakes.append((number, found))
        else:
            columns.append(found)
    if not columns:
        yield from _told_once(mistakes)
    elif [] not in columns:
        yield from _missing(columns, path, fields, what=f"none of the {len(columns)} rows that were looked at has")


def _told_once(mistakes: Sequence[tuple[int, str]]) -> Iterator[str]:
    if not mistakes:
        yield "it is empty; expected one JSON object per line"
        return
    first: dict[str, int] = {}
    counts = Counter(text for _, text in mistakes)
    for number, text in mistakes:
        first.setdefault(text, number)
    for text, number in itertools.islice(first.items(), SHOWN_MISTAKES):
        others = f" (and {counts[text] - 1} more of the lines that were looked at)" if counts[text] > 1 else ""
        yield f"line {number}{others}: {text}"


def _row(line: bytes) -> list[str] | str:
    """Return the names of a row's fields, none where they stand further inside; or what is wrong with it."""
    row = objects_of_line(line.removeprefix(BYTE_ORDER_MARK))[0]
    if isinstance(row, Defect):
        return row.found
    # Rows by key, or columns: the run that reads them looks at them.
    nested = row and all(isinstance(value, dict | list) for value in row.values())
    if nested:
        return []
    columns, paths = names_in([row])
    return [*columns, *paths] or ["no field"]


def _missing(rows: Sequence[Sequence[str]], path: Path, fields: FieldNames, *, what: str) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if _has("before", names, fields) and _has("after", names, fields):
        return
    labelled_by_name = label_in(path.name) is not None
    for role in ("func", "target"):
        if _has(role, names, fields) or (role == "target" and labelled_by_name):
            continue
        present = ", ".join(shortened(name) for name in names[:SHOWN_NAMES])
        yield (
            f"{what} no field {' or '.join(_wanted(role, fields))} for {role} (found: {present}); name the column: "
            f"`fields: {{{role}: COLUMN}}` in the file of --config, /fields/{role} in a request"
        )


def _wanted(role: str, fields: FieldNames) -> tuple[str, ...]:
    mapped = getattr(fields, role)
    return (mapped,) if mapped else KNOWN_FIELDS[role]


def _has(role: str, names: Sequence[str], fields: FieldNames) -> bool:
    if getattr(fields, role):
        return getattr(fields, role) in names
    found = ColumnNames(names)
    return bool(found.known(role) or found.known_paths(role))
