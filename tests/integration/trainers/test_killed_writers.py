"""kill -9 at any moment of a write leaves the old content or the new one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.writers import KINDS

REPOSITORY = Path(__file__).resolve().parents[3]
SEED = 7


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_killed_again_and_again_never_leaves_half_of_anything(kind: str, kills: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.writers", kind, str(tmp_path), str(SEED), str(kills)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["kills"] == kills
    # Else the kills fell between the writes, and nothing was shown.
    assert found["during_a_write"] > kills / 2
    assert found["versions"] > kills / 20
