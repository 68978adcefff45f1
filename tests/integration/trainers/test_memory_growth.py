"""Training holds no more after a thousand steps than after its first few hundred."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[3]
WARM_UP, STEPS, WINDOW = 300, 1_000, 50
# Found by a leak of so much per step, as the last test shows.
LEAK_BYTES = 20_000
MOST_GROWTH = 0.02


def _growth(cell: str, dataset: Path, out: Path, *, leak: int = 0) -> float:
    """Share of the memory after warm-up that was added in a thousand steps."""
    arguments = [cell, dataset, out, WARM_UP + STEPS + WINDOW, leak]
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory_growth", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    held = np.array(json.loads(done.stdout))
    assert len(held) == WARM_UP + STEPS + WINDOW
    before, after = np.median(held[WARM_UP : WARM_UP + WINDOW]), np.median(held[-WINDOW:])
    return float(after / before - 1)


@pytest.mark.parametrize("cell", ["transformer", "gnn"])
def test_memory_does_not_grow_with_steps(cell: str, dataset: Path, tmp_path: Path) -> None:
    assert _growth(cell, dataset, tmp_path) <= MOST_GROWTH


def test_a_leak_of_twenty_kilobytes_a_step_would_be_seen(dataset: Path, tmp_path: Path) -> None:
    assert _growth("gnn", dataset, tmp_path, leak=LEAK_BYTES) > MOST_GROWTH
