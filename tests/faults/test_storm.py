"""A short storm on each database: every fault strikes once, six of them at every change."""

from pathlib import Path

import pytest

from tests.faults.deployment import Backend
from tests.faults.faults import FAULTS
from tests.faults.storm import break_at_random

SEED = 11
# Of this seed, the first six strike one of each: database, disk, broker, trainer, worker, reconciler.
SEED_OF_FEW, FEW = 315, 6
STORMS = [
    ("postgres", FEW, SEED_OF_FEW),
    pytest.param("postgres", len(FAULTS), SEED, marks=pytest.mark.slow),
    pytest.param("sqlite", len(FAULTS), SEED, marks=pytest.mark.slow),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("backend", "faults", "seed"), STORMS)
def test_no_run_is_lost_doubled_stuck_or_corrupt_whatever_breaks(
    tmp_path: Path, backend: Backend, faults: int, seed: int
) -> None:
    storm = break_at_random(tmp_path, backend=backend, faults=faults, seed=seed)

    assert storm.verdict.wrong == []
    assert storm.refused == []
    assert storm.missing == {}
    assert sum(storm.faults.values()) == faults
    assert storm.verdict.runs.get("succeeded", 0) >= 3
    # Work was done again after something broke, and not only what nothing had touched.
    assert storm.verdict.attempts > storm.submitted
