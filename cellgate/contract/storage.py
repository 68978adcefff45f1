"""How much room a file system has left, and whether an error means that it has none."""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Below the data folder while a backup is restored into it; what is there is not whole before its end.
RESTORING = ".restoring"
# Of libraries written in Rust, safetensors and tokenizers among them, whose exceptions carry no errno.
_RUST_ERRNO = re.compile(r"\(os error (\d{1,9})\)")
# A file system with fewer free inodes is as good as full: a run writes dozens of files.
FEWEST_FILES = 100
MAX_ORIGINS = 20


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a file system has left for this process.

    Args:
        free_bytes: Without what is kept for root.
        free_files: Files that can still be made; None where the file system has no such limit.
    """

    free_bytes: int
    free_files: int | None

    def holds(self, reserve_bytes: int) -> bool:
        """Return whether at least so much is free."""
        return self.free_bytes >= reserve_bytes and (self.free_files is None or self.free_files >= FEWEST_FILES)

    def __str__(self) -> str:
        """Return the room in words."""
        files = "" if self.free_files is None or self.free_files >= FEWEST_FILES else f", {self.free_files} files"
        return f"{self.free_bytes / 1e9:.3f} GB{files} free"


def room_in(folder: Path) -> Room:
    """Return the room in a folder, or where it would be made: in the nearest folder above it that exists.

    Raises:
        OSError: The file system does not answer.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    found = os.statvfs(there)
    # Btrfs and some network file systems count no inodes.
    return Room(free_bytes=found.f_bavail * found.f_frsize, free_files=found.f_favail if found.f_files else None)


def describe_room(folder: Path) -> str:
    """Return in words what a folder has left, whatever happens."""
    try:
        return str(room_in(folder))
    except OSError as error:
        return f"how much is free is not known: {error}"


def is_disk_full(error: BaseException) -> bool:
    """Return whether there was no room left to write to.

    Looks at what the error was raised from as well: `torch.save` replaces its file's error by one of its own.
    """
    at: BaseException | None = error
    for _ in range(MAX_ORIGINS):
        if at is None:
            return False
        if isinstance(at, OSError) and at.errno in NO_ROOM:
            return True
        code = _RUST_ERRNO.search(str(at)[:10_000])
        if code is not None and int(code[1]) in NO_ROOM:
            return True
        at = at.__cause__ or at.__context__
    return False
