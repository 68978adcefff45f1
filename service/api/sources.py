"""A first look at a file of labelled functions, before any run is created for it."""

import gzip
import json
import stat
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.domain.errors import InvalidSpec, Mistake
from trainers.specs import FieldNames

POINTER = "/source"
SUFFIXES = (".jsonl", ".jsonl.gz")
LOOKED_AT_LINES = 50
MAX_LINE_BYTES = 4_000_000
FUNCTION_FIELDS = ("func", "func_before", "function", "code")
LABEL_FIELDS = ("target", "label", "vul")


def check_source(source: str, fields: FieldNames, roots: Sequence[Path]) -> Path:
    """Return the file, resolved, if it lies below a data root and its first lines look like labelled functions.

    Raises:
        InvalidSpec: It does not; every mistake in the first lines is listed.
    """
    path = _resolve(source, roots)
    mistakes = [Mistake(pointer=POINTER, detail=f"{path.name}, {text}") for text in _look(path, fields)]
    if mistakes:
        raise InvalidSpec(f"{path.name} does not hold labelled functions; nothing was created", mistakes=mistakes)
    return path


def _resolve(source: str, roots: Sequence[Path]) -> Path:
    if "\x00" in source:
        raise _refused("a path cannot hold a NUL character")
    try:
        # Resolved first: neither `..` nor a symbolic link leads out of a data root.
        path = Path(source).resolve()
        inside = any(path.is_relative_to(root) for root in roots)
        if not inside:
            shown = ", ".join(str(root) for root in roots)
            raise _refused(f"{source} is not below a data root ({shown}); move it there, or add its folder to them")
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _refused(f"there is no file {source}") from None
    except (OSError, RuntimeError) as error:
        raise _refused(f"{source} cannot be read: {error}") from None
    if not stat.S_ISREG(mode):
        raise _refused(f"{source} is no regular file")
    if not path.name.endswith(SUFFIXES):
        raise _refused(f"{source} ends with {path.suffix or 'nothing'!r}, expected .jsonl or .jsonl.gz")
    return path


def _refused(detail: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer=POINTER, detail=detail)])


def _look(path: Path, fields: FieldNames) -> Iterator[str]:
    found_any = False
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            for number in range(1, LOOKED_AT_LINES + 1):
                line = file.readline(MAX_LINE_BYTES)
                if not line:
                    break
                if len(line) == MAX_LINE_BYTES:
                    yield f"line {number}: it is longer than {MAX_LINE_BYTES} bytes; expected one function per line"
                    return
                if line.strip():
                    found_any = True
                    yield from (f"line {number}: {mistake}" for mistake in _look_at_line(line, fields))
    except (OSError, EOFError, zlib.error) as error:
        yield f"it cannot be read: {error}"
        return
    if not found_any:
        yield "it is empty; expected one JSON object per line"


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
    for role, said, known in (("func", fields.func, FUNCTION_FIELDS), ("target", fields.target, LABEL_FIELDS)):
        names = (said,) if said else known
        if not any(name in row for name in names):
            present = ", ".join(list(row)[:8])
            yield f"no field {' or '.join(names)} for {role} (found: {present}); map it with /fields/{role}"
