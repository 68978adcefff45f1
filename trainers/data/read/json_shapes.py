"""The shapes that a table takes as one JSON value: rows, columns, or what pandas and others write around them."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Reason
from trainers.data.read.error_collector import shown
from trainers.data.read.json_values import parse
from trainers.data.read.known_fields import KNOWN_FIELDS, TEXT_NAMES, is_code
from trainers.data.read.raw_rows import Defect, RawRow, RawRows
from trainers.data.read.stated_names import SPLIT_WORD, label_in

JSONL = "JSONL"
# Of each part of a value, to recognise columns.
LOOKED_AT_VALUES = 200
_WRITE_ROWS = 'write the table row by row: to_json(path, orient="records", lines=True)'


def row_of(value: object) -> dict[str, object] | Defect:
    """Return a value as a row, or why it is none."""
    if isinstance(value, Defect):
        return value
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        # An object that was written as JSON twice.
        try:
            inner = parse(value)
        except (ValueError, RecursionError):
            inner = None
        if isinstance(inner, dict | Defect):
            return inner
    found = shown(value) if value is None else f"a JSON {type(value).__name__}"
    return Defect(reason=Reason.MALFORMED, found=f"{found} in place of a JSON object")


def numbered(rows: Iterable[object], *, split: str | None = None, start: int = 1) -> RawRows:
    """Yield values as rows, numbered from `start`."""
    for number, row in enumerate(rows, start=start):
        yield RawRow(number=number, place=f"row {number}", content=row_of(row), split=split)


def shaped(value: object, path: Path) -> tuple[str, RawRows]:
    """Return the rows of one value: a row itself, or a table in one of the shapes that pandas and others write."""
    if not isinstance(value, dict) or not value:
        return JSONL, numbered([value])
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return "JSON table (orient split)", _split_rows(value["columns"], value["data"], path)
    if isinstance(value.get("data"), list) and isinstance(value.get("schema"), dict):
        return "JSON table (orient table)", numbered(value["data"])
    texts = [name for name in value if name in TEXT_NAMES]
    if (texts and isinstance(value[texts[0]], dict | list)) or _is_by_column(value):
        return "JSON columns", _columns(value, path)
    if all(isinstance(part, dict) and _is_table(part) for part in value.values()):
        return "JSON object of columns", _tables(value, path)
    if all(isinstance(part, dict) for part in value.values()):
        # One object of rows by key, as those publish who save a table with its index.
        return "JSON object of rows", numbered(value.values())
    if not texts and (lists := _lists_of(value)):
        labels = {key: label_in(key) for key in lists}
        is_by_label = {0, 1} <= set(labels.values()) and not any(map(_has_label, itertools.chain(*lists.values())))
        form = f"JSON object of lists of rows{', by label' if is_by_label else ''}"
        return form, _lists(lists, labels if is_by_label else {})
    return JSONL, numbered([value])


def _is_table(part: Mapping[str, object]) -> bool:
    """Return whether a part of a value is a table by column: lists by name, one of them of code."""
    return (
        bool(part)
        and all(isinstance(column, list) for column in part.values())
        and any(name in TEXT_NAMES and _code_share(column) for name, column in part.items())
    )


def _tables(value: Mapping[str, Mapping[str, object]], path: Path) -> RawRows:
    start = 1
    for key, part in value.items():
        rows = [row.content for row in _columns(part, path)]
        yield from numbered(rows, split=_split(key), start=start)
        start += len(rows)


def _split(key: str) -> str | None:
    return key if SPLIT_WORD.search(key.casefold()) else None


def _lists_of(value: Mapping[str, object]) -> dict[str, list[object]]:
    """Return the lists of rows by name; where a list holds code alone, each text is a row."""
    lists: dict[str, list[object]] = {}
    for key, part in value.items():
        if isinstance(part, list) and part and isinstance(part[0], dict):
            lists[key] = part
        elif isinstance(part, list) and part and label_in(key) is not None and _code_share(part) == 1.0:
            lists[key] = [{"func": text} for text in part]
    return lists


def _has_label(row: object) -> bool:
    return isinstance(row, dict) and not set(KNOWN_FIELDS["target"]).isdisjoint(row)


def _is_by_column(value: Mapping[str, object]) -> bool:
    """Return whether the parts of a value are columns of any names: some hold nothing but code, others none at all.

    Where the parts are rows, each of them holds both.
    """
    shares = {_code_share(part) for part in value.values()}
    return {0.0, 1.0} <= shares <= {0.0, 1.0, None}


def _code_share(part: object) -> float | None:
    """Return which share of a column's first values is code; None for what is no column."""
    if not isinstance(part, dict | list) or not part:
        return None
    values = list(itertools.islice(part.values() if isinstance(part, dict) else part, LOOKED_AT_VALUES))
    if any(isinstance(one, dict) for one in values):
        return None
    return sum(is_code(one) for one in values) / len(values)


def _split_rows(columns: list[object], data: list[object], path: Path) -> RawRows:
    names = [str(name) for name in columns]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise _no_table(path, "two columns have one name", f"more than one column {', '.join(map(shown, repeated))}")
    return _rows_of_lists(names, data)


def _rows_of_lists(names: list[str], data: list[object]) -> RawRows:
    for number, row in enumerate(data, start=1):
        fits = isinstance(row, list) and len(row) == len(names)
        found = f"{shown(row)} in place of {len(names)} values"
        content = dict(zip(names, cast(list[object], row), strict=True)) if fits else None
        yield RawRow(
            number=number,
            place=f"row {number}",
            content=Defect(reason=Reason.MALFORMED, found=found) if content is None else content,
        )


def _lists(lists: Mapping[str, list[object]], labels: Mapping[str, int | None]) -> RawRows:
    start = 1
    for key, rows in lists.items():
        label = labels.get(key)
        labelled = (
            rows if label is None else [{**row, "label": label} if isinstance(row, dict) else row for row in rows]
        )
        yield from numbered(labelled, split=_split(key), start=start)
        start += len(rows)


def _columns(value: Mapping[str, object], path: Path) -> RawRows:
    """Return the rows of a table that is written column by column, each a list or an object by the rows' index."""
    columns = {name: part for name, part in value.items() if isinstance(part, dict | list)}
    lengths = {name: len(part) for name, part in columns.items()}
    if len(set(lengths.values())) > 1:
        raise _no_table(path, "its columns are not equally long", f"columns of {shown(lengths)} values")
    index = next((list(part) for part in columns.values() if isinstance(part, dict)), [])
    for name, part in columns.items():
        if isinstance(part, dict) and part.keys() != set(index):
            other = next(key for key in index if key not in part)
            raise _no_table(path, "its columns differ in their index", f"a column {shown(name)} without row {other!r}")
    # By the index, not by position: a column may be written in another order.
    cells = [[part[key] for key in index] if isinstance(part, dict) else part for part in columns.values()]
    return numbered(dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))


def _no_table(path: Path, message: str, found: str) -> DataError:
    expected = "a value for every row in every column"
    return DataError(
        f"{path}: {message}", [InputError(where=path.name, found=found, expected=expected, fix=_WRITE_ROWS)]
    )
