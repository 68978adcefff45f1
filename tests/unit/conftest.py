"""Where the unit tests write: in memory, where the machine has a place for that."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

IN_MEMORY = Path("/dev/shm")
MIN_FREE_BYTES = 1 << 30


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder of the test's own, removed at its end; SQLite waits for the disk at every commit elsewhere."""
    if not os.access(IN_MEMORY, os.W_OK) or shutil.disk_usage(IN_MEMORY).free < MIN_FREE_BYTES:
        yield tmp_path_factory.mktemp("unit")
        return
    with tempfile.TemporaryDirectory(prefix="cellgate-", dir=IN_MEMORY) as folder:
        yield Path(folder).resolve()
