"""The files that a backup has: those of the runs and uploads in the same snapshot of the database, and the caches."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from cellgate.contract.artifacts import CHECKPOINT_FOLDER
from service.store.artifact_store import ARTIFACTS, ArtifactStore
from service.store.backup.container import BLOCK_BYTES, BackupWriter
from service.store.removals import run_folder_key

CACHE = f"{ARTIFACTS}/lr_cache"
CURRENT_NAME = "current.json"
TRIES = 5


@dataclass(frozen=True, kw_only=True)
class OpenFile:
    """An open file; it stays readable when its name goes to another one."""

    key: str
    size_bytes: int
    content: IO[bytes]


class FileBackup:
    """Writes files into a backup, each content once.

    Args:
        store: Where they are.
        writer: The backup.
        checkpoints: Whether checkpoints are part of it.
    """

    def __init__(self, store: ArtifactStore, writer: BackupWriter, *, checkpoints: bool) -> None:
        self._store = store
        self._writer = writer
        self._checkpoints = checkpoints
        self._written: set[str] = set()
        self.listed: list[tuple[str, int, str]] = []

    def add_folder(self, key: str) -> None:
        """Write all files below a key, which do not change any more.

        Raises:
            FileNotFoundError: One was removed meanwhile.
        """
        for file in self._store.list(key):
            if self._is_kept(file.key):
                with self._store.open(file.key) as content:
                    self._add(_opened(file.key, content))

    def add_cache(self) -> None:
        """Write the caches; an entry that retention removes meanwhile is left out, since no row names it."""
        for file in self._store.list(CACHE):
            with ExitStack() as stack:
                for opened in self._open_one(file.key, stack):
                    self._add(opened)

    def add_running(self, run_id: str) -> None:
        """Write the files of a run that goes on: its checkpoint as it was at one moment, what grows up to now."""
        for attempt in range(TRIES):
            with ExitStack() as stack:
                opened = list(self._open_all(run_folder_key(run_id), stack))
                if attempt + 1 == TRIES or self._is_unchanged(opened):
                    for file in opened:
                        self._add(file)
                    return

    def _open_all(self, key: str, stack: ExitStack) -> Iterator[OpenFile]:
        for file in self._store.list(key):
            yield from self._open_one(file.key, stack)

    def _open_one(self, key: str, stack: ExitStack) -> Iterator[OpenFile]:
        if self._is_kept(key):
            try:
                yield _opened(key, stack.enter_context(self._store.open(key)))
            except FileNotFoundError:
                return

    def _is_unchanged(self, opened: Iterable[OpenFile]) -> bool:
        """Return whether the names that say which checkpoint counts still lead to the files that are open."""
        for file in opened:
            if file.key.endswith(f"/{CURRENT_NAME}"):
                try:
                    with self._store.open(file.key) as now:
                        if os.fstat(now.fileno()).st_ino != os.fstat(file.content.fileno()).st_ino:
                            return False
                except FileNotFoundError:
                    return False
        return True

    def _is_kept(self, key: str) -> bool:
        parts = key.split("/")
        # Files in writing begin with a dot.
        return not parts[-1].startswith(".") and (self._checkpoints or CHECKPOINT_FOLDER not in parts)

    def _add(self, file: OpenFile) -> None:
        digest = hashlib.sha256()
        left = file.size_bytes
        while left and (block := file.content.read(min(BLOCK_BYTES, left))):
            digest.update(block)
            left -= len(block)
        sha256, size_bytes = digest.hexdigest(), file.size_bytes - left
        if sha256 not in self._written:
            file.content.seek(0)
            self._writer.add_blob(sha256, file.content, size_bytes)
            self._written.add(sha256)
        self.listed.append((file.key, size_bytes, sha256))


def _opened(key: str, content: IO[bytes]) -> OpenFile:
    return OpenFile(key=key, size_bytes=os.fstat(content.fileno()).st_size, content=content)
