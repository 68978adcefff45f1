"""Files that somebody else writes, read without waiting for a pipe, following a link, or taking unbounded memory."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

# A pipe would otherwise wait for somebody who writes into it.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# Of a result or a report; those of the largest experiments that were seen have 3 MB.
MOST_DOCUMENT_BYTES = 64 << 20


def open_regular(path: Path) -> int:
    """Return a descriptor of a regular file, open for reading.

    Raises:
        FileNotFoundError: There is none of this name.
        OSError: It is a link, a folder, a pipe or a device, or cannot be read.
    """
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return descriptor


def read_document(path: Path, *, most_bytes: int = MOST_DOCUMENT_BYTES) -> Any:
    """Return a file's JSON.

    Args:
        path: A regular file.
        most_bytes: A larger one is refused unread.

    Raises:
        OSError: It cannot be read, or is no regular file.
        ValueError: It is too large, not JSON, nested too deep, or has NaN or Infinity.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        # One byte more than allowed: it may grow.
        content = b"" if size > most_bytes else file.read(most_bytes + 1)
    if size > most_bytes or len(content) > most_bytes:
        raise ValueError(f"{path} has {max(size, len(content))} bytes, expected at most {most_bytes}")
    try:
        return strict_json(content)
    except RecursionError as error:
        raise ValueError(f"{path} is JSON nested too deep") from error


def strict_json(content: bytes) -> Any:
    """Return a JSON value without NaN and Infinity, spelled out or as a number that no float holds.

    Raises:
        ValueError: It is not such JSON.
        RecursionError: It is nested too deep.
    """
    return json.loads(content, parse_constant=_refuse, parse_float=_finite)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is larger than any float")
    return value
