"""The rows of a file of labelled functions in any form: JSONL, a JSON array or object, CSV, or a folder of these.

A form is recognised by content, not by name, except CSV, which is so only by its name.
"""

import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from cellgate.contract.errors import DataError, InputError
from trainers.data.read.error_collector import ErrorCollector, shown
from trainers.data.read.gzip_file import unpacked

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITE = (b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x0c")
# A function of any length that a file may hold; a longer one is left out by its own limit, and counted.
MAX_CSV_FIELD_CHARS = 64 << 20
# Of one JSON object on a line of its own, or one row of a table.
MAX_LINE_BYTES = 64 << 20
# Of a file that is one JSON value, which is read whole.
MAX_VALUE_BYTES = 2 << 30
SPLIT_IN_NAME = re.compile(r"(?:^|[_.-])(train|valid|validation|val|dev|test)(?=[_.-])")
FORMS = (".jsonl", ".json", ".csv")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One row as it stands in the file.

    Args:
        file: Its file's name.
        number: Its line, or its place among the rows where a row has no line of its own; from 1.
        where: The same, as messages show it.
        split: The split that the file's name states, in a folder.
        content: By field; None when it could not be read, which is noted.
    """

    file: str
    number: int
    where: str
    split: str | None
    content: dict[str, object] | None


def read_records(source: Path, problems: ErrorCollector) -> Iterator[Record]:
    """Yield every row of a file, or of all files of a folder; rows that cannot be read are noted in `problems`.

    Raises:
        DataError: The file cannot be read, or the folder holds none.
    """
    if not source.is_dir():
        yield from _of_file(source, source.name, "", None, problems)
        return
    files = [path for path in sorted(source.iterdir()) if path.name.removesuffix(".gz").endswith(FORMS)]
    if not files:
        raise DataError(
            f"{source}: the folder holds no file of functions",
            [
                InputError(
                    where=str(source), found="none", expected="files named *.jsonl, *.json or *.csv, also with .gz"
                )
            ],
        )
    for path in files:
        named = SPLIT_IN_NAME.search(path.name)
        yield from _of_file(path, path.name, f"{path.name}, ", named[1] if named else None, problems)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of every line that is not blank, of a file that may be compressed.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with open_source(path) as file:
            for number, line in enumerate(_bounded(file), start=1):
                content = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                # The beginning tells: to strip all of it would copy it.
                if content[:1] not in _WHITE or content.strip():
                    yield number, content
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file's lines.

    Raises:
        OSError: One is longer than MAX_VALUE_BYTES, or one of several than MAX_LINE_BYTES.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            # A whole file may be one value on one line.
            more = file.read(MAX_VALUE_BYTES - len(line) + 1) if number == 1 else b""
            if number > 1 or len(line) + len(more) > MAX_VALUE_BYTES or b"\n" in more.rstrip():
                raise OSError(f"line {number} has more than {MAX_LINE_BYTES} bytes: write one function per line")
            line += more
        yield line


def open_source(path: Path) -> IO[bytes]:
    """Return a file's content, open for reading; one that begins as gzip is decompressed, whatever its name.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return unpacked(path) if compressed else path.open("rb")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: cannot be read; check the path and that the file is complete",
        [InputError(where=str(path), found=str(error), expected="a readable file of functions")],
    )


def _of_file(path: Path, name: str, prefix: str, split: str | None, problems: ErrorCollector) -> Iterator[Record]:
    rows = _csv_rows(path, prefix, problems) if is_csv(path) else _json_rows(path, prefix, problems)
    for number, where, content in rows:
        yield Record(file=name, number=number, where=where, split=split, content=content)


def is_csv(path: Path) -> bool:
    """Whether the file's name ends like a table's."""
    return path.name.removesuffix(".gz").endswith(".csv")


RawRows = Iterator[tuple[int, str, dict[str, object] | None]]


def _csv_rows(path: Path, prefix: str, problems: ErrorCollector) -> RawRows:
    csv.field_size_limit(MAX_CSV_FIELD_CHARS)
    number = 0
    try:
        with open_source(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = filter(None, csv.reader(_text_lines(text), strict=True))
            header = next(rows, [])
            for number, row in enumerate(rows, start=1):
                where = f"{prefix}row {number}"
                if len(row) <= len(header):
                    # What a short row lacks is left out: filled up, rows of one value below a million names would
                    # cost a million values each. The first one shows which names there are.
                    lacking = header[len(row) :] if number == 1 else ()
                    yield number, where, {**dict.fromkeys(lacking), **dict(zip(header, row, strict=False))}
                    continue
                problems.add(
                    where,
                    found=f"{len(row) - len(header)} values more than the header names",
                    expected="as many values as the header names",
                    fix="quote values that hold commas",
                )
                yield number, where, None
    except (csv.Error, UnicodeDecodeError) as error:
        where = f"{prefix}row {number + 1}"
        problems.add(where, found=str(error), expected="CSV in UTF-8", fix="write the file again as CSV in UTF-8")
        yield number + 1, where, None
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _text_lines(text: IO[str]) -> Iterator[str]:
    while line := text.readline(MAX_CSV_FIELD_CHARS + 1):
        if len(line) > MAX_CSV_FIELD_CHARS:
            raise csv.Error(f"a line of more than {MAX_CSV_FIELD_CHARS} characters")
        yield line


def _json_rows(path: Path, prefix: str, problems: ErrorCollector) -> RawRows:
    lines = read_lines(path)
    first = next(lines, None)
    if first is None:
        return
    if first[1].lstrip().startswith(b"["):
        content = _whole(path, first[1], lines)
        yield from _array_rows(content, prefix, problems)
        return
    number, line = first
    where = f"{prefix}line {number}"
    row = _decoded(where, line, problems)
    if row and all(isinstance(value, dict) for value in row.values()):
        # One object of rows by key, as published by those who save a table with its index.
        yield from ((place, f"{prefix}row {place}", value) for place, value in enumerate(_dicts(row), start=1))
    else:
        yield number, where, row
    for number, line in lines:
        where = f"{prefix}line {number}"
        yield number, where, _decoded(where, line, problems)


def _whole(path: Path, first: bytes, lines: Iterator[tuple[int, bytes]]) -> bytes:
    content = bytearray(first)
    for _, line in lines:
        content += line
        if len(content) > MAX_VALUE_BYTES:
            problem = OSError(f"the JSON array has more than {MAX_VALUE_BYTES} bytes: write one object per line")
            raise _unreadable(path, problem)
    return bytes(content)


def _dicts(row: dict[str, object]) -> list[dict[str, object]]:
    return [value for value in row.values() if isinstance(value, dict)]


def _array_rows(content: bytes, prefix: str, problems: ErrorCollector) -> RawRows:
    rows = _parsed(f"{prefix}the whole file", content, "a JSON array", problems)
    for number, row in enumerate(rows if isinstance(rows, list) else [], start=1):
        where = f"{prefix}row {number}"
        yield number, where, _object(where, row, problems)


def _decoded(where: str, line: bytes, problems: ErrorCollector) -> dict[str, object] | None:
    before = problems.total
    value = _parsed(where, line, "one JSON object", problems)
    return None if problems.total != before else _object(where, value, problems)


def _parsed(where: str, content: bytes, expected: str, problems: ErrorCollector) -> object:
    try:
        return cast(object, json.loads(content.decode()))
    except UnicodeDecodeError as error:
        problems.add(
            where,
            found=f"byte 0x{content[error.start]:02x} at position {error.start}",
            expected="UTF-8",
            fix="convert the file to UTF-8",
        )
    except (ValueError, RecursionError) as error:
        problems.add(where, found=f"invalid JSON ({error})", expected=expected, fix="repair the line")
    return None


def _object(where: str, value: object, problems: ErrorCollector) -> dict[str, object] | None:
    if isinstance(value, dict):
        return value
    found = shown(value) if value is None else f"a JSON {type(value).__name__}"
    problems.add(where, found=found, expected="a JSON object", fix="write one object per row")
    return None
