"""Files that are either whole or not there: a crash at any moment leaves the old file or the new one.

Source:
    POSIX.1-2017 rename(): atomic replacement within one file system; fsync of the file before it and of the
    folder after it make the order survive a power cut.
"""

import ctypes
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHUNK_BYTES = 1 << 20
# Of Linux's renameat2(2): paths are relative to the working folder; the two names are swapped.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file that takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_folder(new: Path, folder: Path) -> None:
    """Replace `folder` by the folder `new` and remove the old one; both lie in the same folder.

    On Linux the two names are swapped in one step. Elsewhere there is a moment without `folder`, and a kill just then
    leaves the old one beside it.
    """
    if not folder.exists():
        new.rename(folder)
    elif _exchange(new, folder):
        shutil.rmtree(new)
    else:
        old = new.with_suffix(".old.tmp")
        folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old)
    sync_folder(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names atomically; return whether this system and file system can."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    code: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return code == 0


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, atomically."""
    with atomic_file(path) as file:
        file.write(content)


def to_json(value: object) -> bytes:
    """Encode as canonical JSON: sorted keys, UTF-8, one trailing newline, and no NaN or Infinity.

    Raises:
        ValueError: A float is not finite, which JSON cannot hold.
        TypeError: A value is not JSON.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=2)
    return text.encode() + b"\n"


def write_json(path: Path, value: object) -> None:
    """Write `value` as canonical JSON to `path`, atomically."""
    write_bytes(path, to_json(value))


def sha256_of_file(path: Path) -> str:
    """Return the file's SHA-256 as `sha256:` and 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def sha256_of_json(value: object) -> str:
    """Return the SHA-256 of the value's canonical JSON as `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(to_json(value)).hexdigest()}"
