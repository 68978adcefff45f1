"""A real worker that is killed while a real trainer runs, and the one that goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from cellgate.contract.configs import PrepareConfig
from service.broker.notify import CeleryNotifier
from service.store.datasets import create_dataset
from service.store.runs import get_run
from service.store.tables import RunRow
from tests.worker_harness import Floor, until
from trainers.demo_data.generator import write_jsonl

LEASE_S = 4.0


@contextmanager
def role(floor: Floor, redis_url: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a running `python -m worker NAME`."""
    settings = {"DATA_DIR": floor.folder, "DATABASE_URL": floor.url, "REDIS_URL": redis_url, "SLOTS": 1}
    quick = {"LEASE_S": LEASE_S, "REDISPATCH_AFTER_S": 1, "RECONCILE_EVERY_S": 0.2}
    start = {"WARM_START": starts_warm(floor)}
    environment = {f"CELLGATE_{key}": str(value) for key, value in {**settings, **quick, **start}.items()}
    with (floor.folder / f"{name}.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", name], env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def starts_warm(floor: Floor) -> bool:
    """Whether a fork server starts the trainers, as on SQLite here: they, too, must end with their worker."""
    return floor.url.startswith("sqlite")


def has_ended(process: psutil.Process) -> bool:
    """Whether it has; who has lost its parent may stay a zombie."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.timeout(180)
@pytest.mark.parametrize("database_url", [pytest.param("sqlite", marks=pytest.mark.slow), "postgres"], indirect=True)
def test_a_killed_workers_run_is_taken_over_and_its_trainer_ends_with_it(floor: Floor, redis_url: str) -> None:
    source = floor.folder / "data" / "functions.jsonl"
    source.parent.mkdir()
    write_jsonl(source, functions=1_500, seed=1)
    with floor.database.begin() as session:
        create_dataset(session, name="made", source=str(source), config=PrepareConfig())
        run_id = session.scalars(select(RunRow.id)).one()
    notifier = CeleryNotifier(redis_url)

    with ExitStack() as stack:
        first = stack.enter_context(role(floor, redis_url, "run"))
        notifier.notify(run_id, "cpu")
        until(lambda: floor.state(run_id) == "running", "the first worker has started a trainer")
        # A trainer, and the fork server whose child it is.
        started = psutil.Process(first.pid).children(recursive=True)
        assert len(started) >= (2 if starts_warm(floor) else 1)
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: all(map(has_ended, started)), "without a worker neither trainer nor fork server")
        stack.enter_context(role(floor, redis_url, "reconciler"))
        stack.enter_context(role(floor, redis_url, "run"))
        until(lambda: floor.state(run_id).terminal, "the second worker has finished the run")
    notifier.close()

    with floor.database.read() as session:
        run = get_run(session, run_id)
    assert (run.state, run.attempt, run.recoveries) == ("succeeded", 2, 1)
    assert [attempt.outcome for attempt in floor.attempts(run_id)] == ["lost", "succeeded"]
    assert not Path(floor.folder / "artifacts" / "runs" / run_id / "attempt-1" / "result.json").exists()
