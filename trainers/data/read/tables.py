"""Rows of a table in CSV or TSV, read line by line: a bad byte or a bad quote costs its row, not the file."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Reason
from cellgate.contract.source_files import is_table
from trainers.data.read.error_collector import shown
from trainers.data.read.known_fields import KNOWN_FIELDS
from trainers.data.read.raw_rows import Defect, RawRow, RawRows, damaged, unreadable

if TYPE_CHECKING:
    # The library's own type of its readers has no public name before Python 3.13.
    import _csv

# A function of any length that a file may hold; a longer one is left out by its own limit, and counted.
MAX_FIELD_CHARS = 64 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_KNOWN_NAMES = frozenset(known.casefold() for names in KNOWN_FIELDS.values() for known in names)
SEPARATORS = (",", "\t", ";", "|")
# What Excel writes before a header to say how it separates values.
_EXCEL_SEPARATOR = re.compile(r"\"?sep=.?\"?[,;|]*", re.IGNORECASE)


class _Lines:
    """A file's lines as text; remembers the first that is no UTF-8 since it was last asked."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._defect: Defect | None = None

    def __iter__(self) -> Iterator[str]:
        first = True
        while line := self._file.readline(MAX_FIELD_CHARS + 1):
            if len(line) > MAX_FIELD_CHARS:
                raise OSError(f"a line of more than {MAX_FIELD_CHARS} bytes")
            content = line.removeprefix(BYTE_ORDER_MARK) if first else line
            first = False
            text = self._decoded(content)
            # A quoted value may hold line ends of any kind, and old files end their lines with \r alone.
            yield from _LINES.findall(text) if "\r" in text else (text,)

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self._defect = self._defect or damaged(line, error)
            return line.decode(errors="replace")

    def take_defect(self) -> Defect | None:
        """Return what was wrong with the lines of the row that was read last."""
        found, self._defect = self._defect, None
        return found


def separator_of(header: str) -> str:
    """Return what separates the values of a table: of the usual characters the one that its header has most often."""
    outside = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=outside.count)


def is_before_header(line: str) -> bool:
    """Return whether a line stands before a table's header: an empty one, Excel's `sep=;`, or a comment."""
    text = line.lstrip("\ufeff").strip()
    if not text or _EXCEL_SEPARATOR.fullmatch(text):
        return True
    return text.startswith("#") and _KNOWN_NAMES.isdisjoint(_names(text.removeprefix("#")))


def _names(header: str) -> list[str]:
    return [one.strip().strip('"').casefold() for one in header.split(separator_of(header))]


def has_table(begun: bytes, name: str) -> bool:
    """Return whether a file is a table: by its name, unless it begins as JSON does; or by a header of known names.

    Args:
        begun: Its first bytes.
    """
    text = begun.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith((b"{", b"[")):
        return False
    header = text.split(b"\n", 1)[0].decode(errors="replace")
    names = _names(header)
    return is_table(name) or (len(names) > 1 and not _KNOWN_NAMES.isdisjoint(names))


def begin_table(begun: str, lines: Iterable[str], *, strict: bool) -> tuple["_csv.Reader", list[str]]:
    """Return a reader of a table's rows, and the names in its header.

    Args:
        begun: Its first line that is not empty.
        lines: That line and those below it.
        strict: Whether a bad quote is an error.

    Raises:
        csv.Error: The header cannot be read.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    separator = separator_of(begun)
    # Some people write a space behind every comma.
    reader = csv.reader(lines, strict=strict, delimiter=separator, skipinitialspace=f"{separator} " in begun)
    return reader, [name.strip() for name in next(reader, [])]


def table_rows(file: IO[bytes], path: Path) -> RawRows:
    """Yield every row below the header.

    Raises:
        DataError: The file cannot be read, a quote never closes, or two columns have one name.
    """
    lines = _Lines(file)
    texts = iter(lines)
    try:
        begun = next((text for text in texts if not is_before_header(text)), "")
        reader, header = begin_table(begun, _chained(begun, texts), strict=True)
        lines.take_defect()
        _check(header, path)
        yield from _rows(reader, lines, header, path)
    except csv.Error as error:
        raise unreadable(path, error, fix="write the file again as CSV in UTF-8") from error
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


def _check(header: list[str], path: Path) -> None:
    if any("{" in name and ")" in name for name in header):
        raise DataError(
            f"{path}: the first line is no header",
            [
                InputError(
                    where=f"{path.name}, header",
                    found=f"a function, {shown(next(name for name in header if '{' in name))}",
                    expected="the columns' names in the first line",
                    fix="put a line such as func,target before it",
                )
            ],
        )
    repeated = [name for name, times in Counter(header).items() if times > 1 and name]
    if repeated:
        raise DataError(
            f"{path}: two columns have one name",
            [
                InputError(
                    where=f"{path.name}, header",
                    found=f"more than one column {', '.join(map(shown, repeated))}",
                    expected="one name per column",
                    fix="rename or remove the others",
                )
            ],
        )


def _rows(reader: "_csv.Reader", lines: _Lines, header: list[str], path: Path) -> RawRows:
    number = 0
    first_bad: tuple[int, int] | None = None
    while True:
        begun = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            if "field larger" in str(error) or "unexpected end of data" in str(error):
                # Behind a quote too many, what is quoted and what is not are exchanged up to the end.
                raise _never_closed(path, *(first_bad or (number + 1, begun + 1)), error) from error
            number += 1
            first_bad = first_bad or (number, begun + 1)
            lines.take_defect()
            yield RawRow(
                number=number, place=f"row {number}", content=Defect(reason=Reason.MALFORMED, found=str(error))
            )
            continue
        if row is None:
            return
        defect = lines.take_defect()
        if not row:
            continue
        number += 1
        yield RawRow(number=number, place=f"row {number}", content=defect or _content(header, row, number))


def _content(header: list[str], row: list[str], number: int) -> dict[str, object] | Defect:
    if len(row) > len(header):
        found = f"{len(row) - len(header)} values more than the header's {len(header)} names, {shown(','.join(header))}"
        return Defect(reason=Reason.MALFORMED, found=found)
    # What a short row lacks is left out: filled up, rows of one value below a million names would cost a million
    # values each. The first one shows which names there are.
    lacking = header[len(row) :] if number == 1 else ()
    return {**dict.fromkeys(lacking), **dict(zip(header, row, strict=False))}


def _never_closed(path: Path, row: int, line: int, error: csv.Error) -> DataError:
    return DataError(
        f"{path}: cannot be read from row {row} on",
        [
            InputError(
                where=f"{path.name}, row {row} (line {line})",
                found=f"a quote that is never closed ({error})",
                expected='quotes in pairs, and "" for a quote inside of a value',
                fix="write the file again as CSV in UTF-8",
            )
        ],
    )
