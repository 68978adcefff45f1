"""Clocks of running processes jump by hours and days; it costs no attempt, and every duration stays true."""

import time
from pathlib import Path
from typing import Any

import pytest

from service.store.runs import get_run
from service.store.tables import RunRow
from tests.faults.deployment import SETTINGS, Backend, Deployment
from tests.faults.workload import JOB, prepare_dataset, wait_until

HOUR_S, DAYS_S = 3600.0, 5 * 86_400.0
LONG: dict[str, Any] = {**JOB, "training": {**JOB["training"], "epochs": 1000, "patience": 1000}}  # type: ignore[dict-item]
# Two trainers are started in all: a fork server for each worker would import more than they. And no lease is lost for
# want of CPU: only a wall clock may be to blame.
LEASE_S = 15.0
UNHURRIED = {**SETTINGS, "WARM_START": False, "LEASE_S": LEASE_S}
ALL_JUMPS = [HOUR_S, 0.0, -HOUR_S, 0.0, DAYS_S, -DAYS_S, 0.0]
# Some rounds of the reconcilers, and a renewal: whoever believed the clock has acted by then.
SETTLED_S = LEASE_S / 4 + 2.0


def jump(deployment: Deployment, who: str, error_s: float) -> None:
    """Set the clocks of all processes whose names begin so, and let the deployment go on for a moment."""
    for name, clock in deployment.clocks.items():
        if name.startswith(who):
            clock.set_error(error_s)
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        deployment.look()
        time.sleep(0.05)


def run_of(deployment: Deployment, run_id: str) -> RunRow:
    with deployment.database.read() as session:
        return get_run(session, run_id)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("backend", "who", "jumps"),
    [
        pytest.param("sqlite", ("",), [-HOUR_S, DAYS_S], marks=pytest.mark.slow),
        pytest.param("sqlite", ("worker", "reconciler", "api", ""), ALL_JUMPS, marks=pytest.mark.slow),
        pytest.param("postgres", ("worker", "reconciler", "api", "database", ""), ALL_JUMPS, marks=pytest.mark.slow),
    ],
)
def test_a_jump_of_any_clock_costs_no_attempt_and_no_duration_is_wrong(
    tmp_path: Path, backend: Backend, who: tuple[str, ...], jumps: list[float]
) -> None:
    begun = time.monotonic()
    with Deployment(tmp_path, backend, settings=UNHURRIED, clock_errors_s={}) as deployment:
        dataset = prepare_dataset(deployment)
        with deployment.client() as client:
            run_id = client.submit_job({**LONG, "dataset": dataset, "seeds": [1]}).runs[0].id
            wait_until(deployment, lambda: run_of(deployment, run_id).state == "running", "the run is at work")
            running_since, before = time.monotonic(), run_of(deployment, run_id)
            for name in who:
                for error_s in jumps:
                    jump(deployment, name, error_s)
                    run = run_of(deployment, run_id)
                    found = (run.state, run.attempt, run.recoveries)
                    assert found == ("running", before.attempt, before.recoveries), (name, error_s)
            at_work_s = time.monotonic() - running_since
            checks = client.json("/readyz")["checks"]
            total = client.json("/v1/usage?from=1990-01-01T00:00:00Z&to=2090-01-01T00:00:00Z")["total"]
            workers = client.json("/v1/workers")
            run = run_of(deployment, run_id)
            client.act("cancel", "runs", run_id)

    assert checks["workers"]["ok"], checks
    assert [worker["alive"] for worker in workers] == [True, True]
    # Of the lease: what a renewal may lag behind; all of the test is the most that two slots can have worked.
    assert at_work_s - LEASE_S < (run.running_s or 0.0) < time.monotonic() - begun
    assert at_work_s - LEASE_S < total["slot_seconds"] < 2 * (time.monotonic() - begun)
