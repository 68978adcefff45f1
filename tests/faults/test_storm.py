"""A short storm on each database: every fault strikes once."""

from pathlib import Path

import pytest

from tests.faults.deployment import Backend
from tests.faults.faults import FAULTS
from tests.faults.storm import break_at_random

SEED = 11


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", [pytest.param("sqlite", marks=pytest.mark.slow), "postgres"])
def test_no_run_is_lost_doubled_stuck_or_corrupt_whatever_breaks(tmp_path: Path, backend: Backend) -> None:
    storm = break_at_random(tmp_path, backend=backend, faults=len(FAULTS), seed=SEED)

    assert storm.verdict.wrong == []
    assert storm.refused == []
    assert sum(storm.faults.values()) == len(FAULTS)
    assert storm.verdict.runs.get("succeeded", 0) >= 3
    # Work was done again after something broke, and not only what nothing had touched.
    assert storm.verdict.attempts > storm.submitted
