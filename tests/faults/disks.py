"""Disks that are small enough to be filled."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

BALLAST = ".ballast"


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


class SmallDisk:
    """A file system of its own in a folder, where that can be had; a context manager.

    Args:
        folder: Empty; becomes the file system.
        size_bytes: All that it can hold.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        self._size_bytes = size_bytes
        self.is_real = False

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size_bytes},mode=755", "tmpfs", str(self.folder)]
        self.is_real = can_mount() and subprocess.run(command, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_real:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no byte free, until the end."""
        ballast = self.folder / BALLAST
        try:
            with io.FileIO(ballast, "w") as file:
                self._fill(file)
            yield
        finally:
            ballast.unlink()

    def free_bytes(self) -> int:
        """Return what is free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def _fill(self, file: io.FileIO) -> None:
        """Write until nothing fits any more, in blocks that become smaller."""
        for size in (1 << 22, 1 << 16, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
