"""Small file systems that really become full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = "filler"
BLOCK = b"\0" * 4096


@contextmanager
def small_disk(folder: Path, *, size_bytes: int, files: int = 2_000) -> Iterator[Path]:
    """Yield the folder with a file system of its own; skip where mounting is not allowed.

    Args:
        folder: Made where it is missing.
        size_bytes: What it holds.
        files: How many files and folders it holds.
    """
    folder.mkdir(exist_ok=True)
    options = f"size={size_bytes},nr_inodes={files}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a process that ends just now may still hold a file.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, *, leave_bytes: int = 0) -> None:
    """Write until nothing is left, or so much."""
    with (disk / FILLER).open("ab", buffering=0) as file:
        try:
            while os.statvfs(disk).f_bavail * 4096 > leave_bytes:
                file.write(BLOCK)
        except OSError:
            return


def free(disk: Path) -> None:
    """Make room again."""
    (disk / FILLER).unlink()
