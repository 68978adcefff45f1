"""Files by key: what deletion, usage and backup know of storage. A local folder now; an object store fits as well.

A key is a relative path with `/` between its parts: `artifacts/runs/run_…/attempt-1/result.json`, `data/uploads/…`.
Trainers write their files themselves, below the folder that `LocalStore` opens.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cellgate.contract.files import atomic_file, sync_folder

BLOCK_BYTES = 1 << 20
ARTIFACTS = "artifacts"
UPLOADS = "data/uploads"
FOLDERS = (ARTIFACTS, "data")
# Withdrawn files lie here, beside the others, until they are purged.
TRASH = ".removed"


class BadKey(ValueError):
    """The text is no key: it is empty, absolute, or leads out of the store."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file in the store.

    Args:
        key: Its key.
        size_bytes: Size when it was looked at.
    """

    key: str
    size_bytes: int


class ArtifactStore(Protocol):
    """Files by key. Every method may be called again after a crash."""

    def put(self, key: str, content: Iterable[bytes]) -> StoredFile:
        """Store a file whole or not at all; an older one is replaced."""
        ...

    def open(self, key: str) -> IO[bytes]:
        """Return a file, open for reading.

        Raises:
            FileNotFoundError: There is none.
        """
        ...

    def stat(self, key: str) -> StoredFile | None:
        """Return a file's size, or None where there is no such file."""
        ...

    def list(self, key: str) -> Iterator[StoredFile]:
        """Yield the file of this key, or every file below it, sorted within each folder; links are left out."""
        ...

    def size(self, key: str) -> int:
        """Return the bytes of all files at or below a key."""
        ...

    def sha256(self, key: str) -> str:
        """Return a file's SHA-256 as `sha256:` and 64 hex digits.

        Raises:
            FileNotFoundError: There is no such file.
        """
        ...

    def withdraw(self, key: str, ticket: str) -> bool:
        """Make everything at or below a key unreadable in one quick step; return whether there was anything.

        Args:
            key: A file or a folder.
            ticket: Name for `purge`; a ticket may be used again.
        """
        ...

    def purge(self, ticket: str) -> None:
        """Free the space of all that was withdrawn under a ticket; do nothing where nothing was."""
        ...


class LocalStore:
    """The store in a folder of this machine, or of a file system that all machines share.

    Args:
        root: The data folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def put(self, key: str, content: Iterable[bytes]) -> StoredFile:
        """See `ArtifactStore.put`."""
        size = 0
        with atomic_file(self._path(key)) as file:
            for block in content:
                size += file.write(block)
        return StoredFile(key=key, size_bytes=size)

    def open(self, key: str) -> IO[bytes]:
        """See `ArtifactStore.open`."""
        descriptor = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(f"{key} is no file")
        return os.fdopen(descriptor, "rb")

    def stat(self, key: str) -> StoredFile | None:
        """See `ArtifactStore.stat`."""
        try:
            found = self._path(key).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return StoredFile(key=key, size_bytes=found.st_size) if stat.S_ISREG(found.st_mode) else None

    def list(self, key: str) -> Iterator[StoredFile]:
        """See `ArtifactStore.list`."""
        single = self.stat(key)
        return self._walk(self._path(key), key) if single is None else iter([single])

    def size(self, key: str) -> int:
        """See `ArtifactStore.size`."""
        return sum(file.size_bytes for file in self.list(key))

    def sha256(self, key: str) -> str:
        """See `ArtifactStore.sha256`."""
        digest = hashlib.sha256()
        with self.open(key) as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        return f"sha256:{digest.hexdigest()}"

    def withdraw(self, key: str, ticket: str) -> bool:
        """See `ArtifactStore.withdraw`: one rename into a folder beside the data."""
        path = self._path(key)
        if not os.path.lexists(path):
            return False
        trash = self._base(key) / TRASH / ticket
        trash.mkdir(parents=True, exist_ok=True)
        # Numbered: a writer that was not stopped in time may have written there again since.
        target = next(trash / str(n) for n in range(1 << 20) if not os.path.lexists(trash / str(n)))
        path.rename(target)
        sync_folder(path.parent)
        # An upload's folder holds one name as a rule. One that is not empty stays.
        if key.startswith(f"{UPLOADS}/"):
            with suppress(OSError):
                path.parent.rmdir()
        return True

    def purge(self, ticket: str) -> None:
        """See `ArtifactStore.purge`."""
        for folder in FOLDERS:
            trash = self._base(folder) / TRASH / checked_key(ticket)
            if trash.exists():
                shutil.rmtree(trash)

    def _walk(self, folder: Path, key: str) -> Iterator[StoredFile]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            below = f"{key}/{entry.name}"
            # Files come and go while a run writes.
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(Path(entry.path), below)
                elif entry.is_file(follow_symlinks=False):
                    yield StoredFile(key=below, size_bytes=entry.stat(follow_symlinks=False).st_size)

    def _base(self, key: str) -> Path:
        """Return the top folder of a key: it may be a link to another disk, and files are renamed within it alone."""
        return (self._root / key.split("/", 1)[0]).resolve()

    def _path(self, key: str) -> Path:
        base = self._base(checked_key(key))
        path = base.joinpath(*key.split("/")[1:])
        # A link further down must not lead out of the store.
        if not path.parent.resolve().is_relative_to(base.parent if path == base else base):
            raise BadKey(f"{key!r} leads out of {base} through a link")
        return path


def checked_key(key: str) -> str:
    """Return the key.

    Raises:
        BadKey: It is empty or absolute, or a part of it is empty, `.` or `..`.
    """
    if any(part in ("", ".", "..") for part in key.split("/")) or "\x00" in key or "\\" in key:
        raise BadKey(f"found the key {key!r}, expected names with / between them")
    return key


def artifact_key(path: str) -> str:
    """Return the key of a path that is relative to the artifact root, as rows store it."""
    return checked_key(f"{ARTIFACTS}/{path}")
