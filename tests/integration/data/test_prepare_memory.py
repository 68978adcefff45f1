"""Preparing holds little for each further row: text, ids and counts, while tokens and graphs lie on disk."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[3]
FEW, MANY = 1_000, 10_000
# With room for the blocks of fixed size, which a thousand functions do not fill.
MOST_BYTES_PER_ROW = 16_000


def most_held(functions: int, out: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "tests.prepare_memory", str(functions), str(out)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_ten_times_the_rows_take_a_bounded_number_of_bytes_for_each_further_one(tmp_path: Path):
    few, many = (most_held(functions, tmp_path / str(functions)) for functions in (FEW, MANY))

    assert (many - few) / (MANY - FEW) <= MOST_BYTES_PER_ROW
