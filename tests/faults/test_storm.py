"""Short storms: three faults at every change, and more of them on each database among the slow tests.

`make faults` lets every kind strike ten times and more.
"""

from pathlib import Path

import pytest

from tests.faults.deployment import Backend
from tests.faults.storm import break_at_random

SEED, MANY = 11, 14
# Of this seed, the first three strike a worker whose run was just saved, the database, and a trainer.
SEED_OF_FEW, FEW = 107302, 3
STORMS = [
    ("postgres", FEW, SEED_OF_FEW),
    pytest.param("postgres", MANY, SEED, marks=pytest.mark.slow),
    pytest.param("sqlite", MANY, SEED, marks=pytest.mark.slow),
]


@pytest.mark.timeout(1200)
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
