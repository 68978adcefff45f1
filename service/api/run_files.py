"""The files that an attempt has left, read without ever leaving its folder: no links, no devices, no `..`."""

import hashlib
import itertools
import mimetypes
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath

from cellgate.contract.artifacts import CHECKPOINT_FOLDER
from service.domain.errors import NotFound

BLOCK = 1 << 16
REMEMBERED = 4096
MOST_FILES = 10_000
MOST_LEVELS = 32
# Replaced while the run goes on, and of no use without the worker that resumes from it.
MEDIA_TYPES = {".jsonl": "application/jsonl", ".safetensors": "application/octet-stream"}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A pipe would otherwise wait for somebody who writes into it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
Identity = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class RunFile:
    """An open file of a run.

    Args:
        name: Its path below the run's folder.
        size: When it was opened, in bytes; what is appended later is not part of it.
    """

    name: str
    size: int
    sha256: str
    opened: FileIO

    @property
    def media_type(self) -> str:
        """Return the media type of the file's name."""
        return media_type(self.name)

    def content(self, begin: int, end: int) -> Iterator[bytes]:
        """Return the bytes from `begin` to before `end`, block by block."""
        return _blocks(self.opened.fileno(), begin, end)

    def close(self) -> None:
        """Close the file."""
        self.opened.close()


def media_type(name: str) -> str:
    """Return the media type of a file's name."""
    known = MEDIA_TYPES.get(PurePosixPath(name).suffix)
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"


class Hashes:
    """SHA-256 of files, computed once for each state of a file."""

    def __init__(self) -> None:
        self._known: OrderedDict[Identity, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, descriptor: int, found: os.stat_result) -> str:
        """Return the SHA-256 of an open file's first `found.st_size` bytes, in hexadecimal."""
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        with self._lock:
            known = self._known.get(identity)
        if known is not None:
            return known
        digest = hashlib.sha256()
        for block in _blocks(descriptor, 0, found.st_size):
            digest.update(block)
        with self._lock:
            self._known[identity] = digest.hexdigest()
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return digest.hexdigest()


def names_in(folder: Path) -> list[str]:
    """Return the names of an attempt's files, sorted, without its checkpoint and files in writing.

    A trainer's folder is not trusted: links, pipes and devices are left out, and so are names that are not UTF-8,
    folders deeper than MOST_LEVELS and what comes after MOST_FILES.
    """
    return sorted(itertools.islice(_names(folder), MOST_FILES))


def _names(folder: Path) -> Iterator[str]:
    waiting = [PurePosixPath()]
    while waiting:
        below = waiting.pop()
        with suppress(OSError), os.scandir(folder / below) as entries:
            for entry in entries:
                name = below / entry.name
                if not _is_shown(name.parts) or not _is_text(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting += [name] if len(name.parts) < MOST_LEVELS else []
                elif entry.is_file(follow_symlinks=False):
                    yield str(name)


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _is_shown(parts: Sequence[str]) -> bool:
    return parts[0] != CHECKPOINT_FOLDER and not any(part.startswith(".") for part in parts)


def open_file(folder: Path, name: str, hashes: Hashes) -> RunFile:
    """Return a file of an attempt, open.

    Args:
        folder: The attempt's folder; nothing outside of it is opened, through links either.
        name: Path relative to it, with `/` between its parts.
        hashes: Cache of SHA-256 digests; a new or changed file is read once for its digest.

    Raises:
        NotFound: The attempt has no such file.
    """
    parts = name.split("/")
    missing = NotFound(f"the run has no file {name!r}; its artifacts are listed one level up")
    if "" in parts or "\x00" in name or not _is_text(name) or not _is_shown(parts):
        raise missing
    try:
        descriptor = _open_below(folder, parts)
    except OSError as error:
        raise missing from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise missing
    opened = FileIO(descriptor)
    try:
        digest = hashes.of(descriptor, found)
    except OSError as error:
        # It was cut while it was read, or the disk fails.
        opened.close()
        raise missing from error
    return RunFile(name=name, size=found.st_size, sha256=digest, opened=opened)


def missing_files(folder: Path, names: Sequence[str]) -> list[str]:
    """Return those of the names that are no regular file below the folder; nothing is followed out of it."""
    return [name for name in names if not _is_there(folder, name.split("/"))]


def _is_there(folder: Path, parts: list[str]) -> bool:
    if "" in parts or ".." in parts or any("\x00" in part for part in parts):
        return False
    try:
        descriptor = _open_below(folder, parts)
    except (OSError, ValueError):
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _open_below(folder: Path, parts: list[str]) -> int:
    at = os.open(folder, _DIRECTORY)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _DIRECTORY, dir_fd=at)
            os.close(at)
            at = deeper
        return os.open(parts[-1], _FILE, dir_fd=at)
    finally:
        os.close(at)


def _blocks(descriptor: int, begin: int, end: int) -> Iterator[bytes]:
    while begin < end:
        block = os.pread(descriptor, min(BLOCK, end - begin), begin)
        if not block:
            raise OSError(f"the file ends {end - begin} bytes early: it was cut while it was read")
        yield block
        begin += len(block)
