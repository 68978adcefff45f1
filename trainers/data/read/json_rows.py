"""Rows of a JSON file: one object per line, or one value over the whole file in any of the shapes that tables take."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Reason
from trainers.data.read.compressed import open_source
from trainers.data.read.error_collector import shown
from trainers.data.read.files import SPLIT_WORD
from trainers.data.read.known_fields import TEXT_NAMES
from trainers.data.read.raw_rows import Defect, RawRow, RawRows, damaged, unreadable

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITE = (b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x0c")
# Of one JSON object on a line of its own.
MAX_LINE_BYTES = 64 << 20
# Of a file that is one JSON value, which is read whole.
MAX_VALUE_BYTES = 2 << 30
# A longer first line is a whole value: what is written over several lines begins with one name.
MAX_FIRST_BYTES = 1 << 20
_SPACE = re.compile(r"\s*")

Line = tuple[int, bytes]
JSONL, ARRAY, OBJECTS = "JSONL", "JSON array", "JSON objects over several lines"


def numbered_lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield number and content of every line that is not blank.

    Raises:
        OSError: A line is too long, or the file cannot be read on.
    """
    for number, line in enumerate(_bounded(file), start=1):
        content = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        # The beginning tells: to strip all of it would copy it.
        if content and (content[:1] not in _WHITE or content.strip()):
            yield number, content


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
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


def read_lines(path: Path) -> Iterator[Line]:
    """Yield number and content of every line that is not blank, of a file that may be compressed.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with open_source(path) as file:
            yield from numbered_lines(file)
    except OSError as error:
        raise unreadable(path, error) from error


def json_rows(file: IO[bytes], path: Path) -> tuple[str, RawRows]:
    """Return the file's form in words, and its rows.

    Raises:
        DataError: The file cannot be read, or is JSON in a shape that is no table; also while rows are taken.
    """
    try:
        lines = numbered_lines(file)
        first = next(lines, None)
        if first is None:
            return JSONL, iter(())
        if first[1].lstrip()[:1] == b"[":
            return ARRAY, _array(_whole(path, first, lines), path)
        if _goes_on(first[1]):
            return OBJECTS, _objects(_whole(path, first, lines), path)
        second = next(lines, None)
        if second is None:
            form, rows = _one_line(first, path)
            return form, rows
        return JSONL, _lines(itertools.chain([first, second], lines), path)
    except OSError as error:
        raise unreadable(path, error) from error


def _goes_on(line: bytes) -> bool:
    """Return whether a line is the beginning of a value that goes on below it."""
    if len(line) > MAX_FIRST_BYTES:
        return False
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        return False
    return False


def _lines(lines: Iterable[Line], path: Path) -> RawRows:
    try:
        for number, line in lines:
            yield RawRow(number=number, place=f"line {number}", content=_of_line(line))
    except OSError as error:
        raise unreadable(path, error) from error


def _of_line(line: bytes) -> dict[str, object] | Defect:
    try:
        value = parse(line.decode())
    except UnicodeDecodeError as error:
        return damaged(line, error)
    except (ValueError, RecursionError) as error:
        return Defect(reason=Reason.MALFORMED, found=f"invalid JSON ({shown_error(error)})")
    return _object(value)


def _object(value: object) -> dict[str, object] | Defect:
    if isinstance(value, dict):
        return value
    found = shown(value) if value is None else f"a JSON {type(value).__name__}"
    return Defect(reason=Reason.MALFORMED, found=f"{found} in place of a JSON object")


def parse(text: str) -> object:
    """Return a JSON value; a whole number of more digits than Python takes becomes text.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    try:
        return cast(object, json.loads(text))
    except json.JSONDecodeError:
        raise
    except ValueError:
        return cast(object, json.loads(text, parse_int=_whole_number))


def _whole_number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits[:100]


def shown_error(error: Exception) -> str:
    """Return why text is no JSON, short."""
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _whole(path: Path, first: Line, lines: Iterator[Line]) -> str:
    """Return the whole file as text; bytes that are no UTF-8 become half surrogates, which the rows' check finds."""
    content = bytearray(first[1])
    for _, line in lines:
        content += line
        if len(content) > MAX_VALUE_BYTES:
            problem = OSError(f"the JSON value has more than {MAX_VALUE_BYTES} bytes: write one object per line")
            raise unreadable(path, problem)
    return content.decode(errors="surrogateescape")


def _no_json(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: is no JSON",
        [
            InputError(
                where=path.name,
                found=f"invalid JSON ({shown_error(error)})",
                expected="a JSON array or object over the whole file, or one object per line",
                fix="repair the file at that place, or write one object per line: there one bad row costs itself alone",
            )
        ],
    )


def _array(text: str, path: Path) -> RawRows:
    try:
        rows = parse(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(path, error) from error
    return _numbered(cast(list[object], rows))


def _numbered(rows: Iterable[object], *, split: str | None = None, start: int = 1) -> RawRows:
    for number, row in enumerate(rows, start=start):
        yield RawRow(number=number, place=f"row {number}", content=_object(row), split=split)


def _objects(text: str, path: Path) -> RawRows:
    """Yield the rows of one object over several lines, or of several one after another."""
    decoder = json.JSONDecoder(parse_int=_whole_number)
    values: list[object] = []
    at = _after_white(text, 0)
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at = _after_white(text, at)
    except (ValueError, RecursionError) as error:
        raise _no_json(path, error) from error
    return _shaped(values[0], path)[1] if len(values) == 1 else _numbered(values)


def _after_white(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _one_line(line: Line, path: Path) -> tuple[str, RawRows]:
    content = _of_line(line[1])
    if isinstance(content, Defect):
        return JSONL, iter((RawRow(number=line[0], place=f"line {line[0]}", content=content),))
    form, rows = _shaped(content, path)
    if form == JSONL:
        return JSONL, iter((RawRow(number=line[0], place=f"line {line[0]}", content=content),))
    return form, rows


def _shaped(value: object, path: Path) -> tuple[str, RawRows]:
    """Return the rows of one value: a row itself, or a table in one of the shapes that pandas and others write."""
    if not isinstance(value, dict) or not value:
        return JSONL, _numbered([value])
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return "JSON table (orient split)", _split_rows(value["columns"], value["data"])
    if isinstance(value.get("data"), list) and isinstance(value.get("schema"), dict):
        return "JSON table (orient table)", _numbered(value["data"])
    texts = [name for name in value if name in TEXT_NAMES]
    if texts and isinstance(value[texts[0]], dict | list):
        return "JSON columns", _columns(value, path)
    if all(isinstance(part, dict) for part in value.values()):
        # One object of rows by key, as those publish who save a table with its index.
        return "JSON object of rows", _numbered(value.values())
    lists = {key: part for key, part in value.items() if isinstance(part, list) and part and isinstance(part[0], dict)}
    if lists and not texts:
        return "JSON object of lists of rows", _lists(lists)
    return JSONL, _numbered([value])


def _split_rows(columns: list[object], data: list[object]) -> RawRows:
    names = [str(name) for name in columns]
    for number, row in enumerate(data, start=1):
        fits = isinstance(row, list) and len(row) == len(names)
        found = f"{shown(row)} in place of {len(names)} values"
        content = dict(zip(names, cast(list[object], row), strict=True)) if fits else None
        yield RawRow(
            number=number,
            place=f"row {number}",
            content=Defect(reason=Reason.MALFORMED, found=found) if content is None else content,
        )


def _lists(lists: Mapping[str, list[object]]) -> RawRows:
    start = 1
    for key, rows in lists.items():
        yield from _numbered(rows, split=key if SPLIT_WORD.search(key.casefold()) else None, start=start)
        start += len(rows)


def _columns(value: Mapping[str, object], path: Path) -> RawRows:
    """Return the rows of a table that is written column by column, each a list or an object by the rows' index."""
    columns = {
        name: list(part.values()) if isinstance(part, dict) else part
        for name, part in value.items()
        if isinstance(part, dict | list)
    }
    lengths = {name: len(part) for name, part in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"{path}: its columns are not equally long",
            [
                InputError(
                    where=path.name,
                    found=f"columns of {shown(lengths)} values",
                    expected="as many values in every column",
                    fix='write the table row by row: to_json(path, orient="records", lines=True)',
                )
            ],
        )
    return _numbered(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
