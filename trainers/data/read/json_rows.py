"""Rows of a JSON file: one object per line, or one value over the whole file in any of the shapes that tables take."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Reason
from trainers.data.read.compressed import open_source
from trainers.data.read.json_shapes import JSONL, numbered, row_of, shaped
from trainers.data.read.json_values import DECODER, parse
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
_BETWEEN = re.compile(r"\s*,?\s*")

Line = tuple[int, bytes]
ARRAY, OBJECTS = "JSON array", "JSON objects over several lines"


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
        # A value over several lines breaks between its parts, never within a text.
        return error.pos >= len(error.doc.rstrip()) and not error.msg.startswith("Invalid control")
    except (ValueError, RecursionError):
        return False
    return False


def _lines(lines: Iterable[Line], path: Path) -> RawRows:
    try:
        for number, line in lines:
            objects = objects_of_line(line)
            for count, content in enumerate(objects, start=1):
                place = f"line {number}" if len(objects) == 1 else f"line {number}, object {count}"
                yield RawRow(number=number, place=place, content=content)
    except OSError as error:
        raise unreadable(path, error) from error


def objects_of_line(line: bytes) -> list[dict[str, object] | Defect]:
    """Return a line's object; or several, where line ends were lost; a comma may follow each, as in an array."""
    try:
        text = line.decode()
        return [row_of(parse(text))]
    except UnicodeDecodeError as error:
        return [damaged(line, error)]
    except json.JSONDecodeError as error:
        several = _several(text) if error.msg == "Extra data" else []
        return [row_of(value) for value in several] or [_malformed(error)]
    except (ValueError, RecursionError) as error:
        return [_malformed(error)]


def _malformed(error: Exception) -> Defect:
    return Defect(reason=Reason.MALFORMED, found=f"invalid JSON ({shown_error(error)})")


def _several(text: str) -> list[object]:
    """Return the objects that stand one after another; none where anything else stands among them."""
    values: list[object] = []
    at = 0
    try:
        while at < len(text):
            value, at = DECODER.raw_decode(text, at)
            at = _between(text, at)
            values.append(value)
    except (ValueError, RecursionError):
        return []
    return values if all(isinstance(value, dict | Defect) for value in values) else []


def _between(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()


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
    return numbered(cast(list[object], rows))


def _objects(text: str, path: Path) -> RawRows:
    """Yield the rows of one object over several lines, or of several one after another."""
    values: list[object] = []
    at = _after_white(text, 0)
    try:
        while at < len(text):
            value, at = DECODER.raw_decode(text, at)
            values.append(value)
            at = _after_white(text, at)
    except (ValueError, RecursionError) as error:
        raise _no_json(path, error) from error
    return shaped(values[0], path)[1] if len(values) == 1 else numbered(values)


def _after_white(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _one_line(line: Line, path: Path) -> tuple[str, RawRows]:
    """Return the rows of a file of one line, which may be a whole table."""
    objects = objects_of_line(line[1])
    if len(objects) == 1 and not isinstance(objects[0], Defect):
        form, rows = shaped(objects[0], path)
        if form != JSONL:
            return form, rows
    return JSONL, _lines([line], path)
