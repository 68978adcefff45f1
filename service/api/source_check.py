"""A first look at a file of labelled functions and at imported graphs, before any run is created for them."""

import csv
import io
import itertools
import json
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from cellgate.contract.configs import FieldNames
from cellgate.contract.errors import shortened
from service.domain.errors import InvalidSpec, Mistake
from service.local_paths import below
from trainers.data.read.compressed import open_source
from trainers.data.read.files import FORMS, is_table
from trainers.data.read.known_fields import KNOWN_FIELDS, REQUIRED

POINTER = "/source"
GRAPHS_POINTER = "/graphs"
SUFFIXES = tuple(form + packed for form in FORMS for packed in ("", ".gz"))
GRAPH_LINE_SUFFIXES = (".jsonl", ".jsonl.gz")
GRAPH_FILE_SUFFIX = ".pt"
LOOKED_AT_LINES = 50
MAX_LINE_BYTES = 4_000_000


def check_source(source: str, fields: FieldNames, roots: Sequence[Path]) -> Path:
    """Return the file, resolved, if it lies below a data root and its first lines look like labelled functions.

    Args:
        source: Path as the request has it; a relative one starts at the working directory of the server.
        fields: Names of the columns that hold source text, label and ids.
        roots: The folders that the server may read data from.

    Raises:
        InvalidSpec: It does not; every mistake in the first lines is listed.
    """
    path, mode = _resolve(source, roots, POINTER)
    if not stat.S_ISREG(mode):
        raise _refused(f"{source} is no regular file", POINTER)
    if not path.name.endswith(SUFFIXES):
        detail = f"{source} ends with {path.suffix or 'nothing'!r}, expected {', '.join(SUFFIXES)}"
        raise _refused(detail, POINTER)
    mistakes = [Mistake(pointer=POINTER, detail=f"{path.name}, {text}") for text in _look(path, fields)]
    if mistakes:
        raise InvalidSpec(f"{path.name} does not hold labelled functions; nothing was created", mistakes=mistakes)
    return path


def check_graphs(graphs: str, roots: Sequence[Path]) -> Path:
    """Return the folder or file of imported graphs, resolved, if it lies below a data root.

    Raises:
        InvalidSpec: It does not, or can be no graphs.
    """
    path, mode = _resolve(graphs, roots, GRAPHS_POINTER)
    if stat.S_ISDIR(mode):
        if not any(path.glob(f"*{GRAPH_FILE_SUFFIX}")):
            raise _refused(f"the folder {graphs} holds no {GRAPH_FILE_SUFFIX} file", GRAPHS_POINTER)
    elif not stat.S_ISREG(mode) or not path.name.endswith(GRAPH_LINE_SUFFIXES):
        detail = (
            f"{graphs} is neither a folder of {GRAPH_FILE_SUFFIX} files nor a {' or '.join(GRAPH_LINE_SUFFIXES)} file"
        )
        raise _refused(detail, GRAPHS_POINTER)
    return path


def _resolve(source: str, roots: Sequence[Path], pointer: str) -> tuple[Path, int]:
    path = below(source, roots)
    if path is None:
        # One answer for what is not there and for what lies elsewhere.
        shown = ", ".join(str(root) for root in roots)
        detail = f"there is no {source} below a data root ({shown}); move it there, or add its folder to them"
        raise _refused(detail, pointer)
    try:
        return path, path.stat().st_mode
    except OSError as error:
        raise _refused(f"{source} cannot be read: {error}", pointer) from None


def _refused(detail: str, pointer: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer=pointer, detail=detail)])


def _look(path: Path, fields: FieldNames) -> Iterator[str]:
    try:
        with open_source(path) as file:
            begun = file.readline(MAX_LINE_BYTES)
            one_value = begun.lstrip().startswith(b"[") or len(begun) == MAX_LINE_BYTES
            if is_table(path.name):
                yield from _look_at_header(begun, fields)
            elif one_value and path.name.removesuffix(".gz").endswith(".json"):
                # One value as long as the file: the run that reads it looks at its rows.
                return
            else:
                yield from _look_at_lines(itertools.chain([begun], _lines(file)), fields)
    except (OSError, EOFError, zlib.error) as error:
        yield f"it cannot be read: {error}"


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.readline(MAX_LINE_BYTES), b"")


def _look_at_lines(lines: Iterable[bytes], fields: FieldNames) -> Iterator[str]:
    found_any = False
    for number, line in enumerate(itertools.islice(lines, LOOKED_AT_LINES), start=1):
        if len(line) == MAX_LINE_BYTES:
            yield f"line {number}: it is longer than {MAX_LINE_BYTES} bytes; expected one function per line"
            return
        if line.strip():
            found_any = True
            yield from (f"line {number}: {mistake}" for mistake in _look_at_line(line, fields))
    if not found_any:
        yield "it is empty; expected one JSON object per line"


def _look_at_header(line: bytes, fields: FieldNames) -> Iterator[str]:
    try:
        names = next(csv.reader(io.StringIO(line.decode("utf-8-sig"))), [])
    except (UnicodeDecodeError, csv.Error) as error:
        yield f"its header cannot be read: {error}"
        return
    yield from _missing(names, fields)


def _look_at_line(line: bytes, fields: FieldNames) -> Iterator[str]:
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        yield f"it is not UTF-8 ({error.reason} at byte {error.start})"
        return
    except ValueError as error:
        yield f"it is not JSON: {error}"
        return
    except RecursionError:
        yield "it is JSON nested too deep; expected a flat object"
        return
    if not isinstance(row, dict):
        yield f"found {type(row).__name__}, expected a JSON object"
        return
    if row and all(isinstance(value, dict) for value in row.values()):
        # Rows by key, on one line: the run that reads them looks at them.
        return
    yield from _missing(list(row), fields)


def _missing(names: Sequence[str], fields: FieldNames) -> Iterator[str]:
    for role in REQUIRED:
        mapped = getattr(fields, role)
        wanted = (mapped,) if mapped else KNOWN_FIELDS[role]
        if not any(name in names for name in wanted):
            present = ", ".join(shortened(name) for name in names[:8])
            yield f"no field {' or '.join(wanted)} for {role} (found: {present}); map it with /fields/{role}"
