"""A worker without a broker, and small real processes that stand in for trainers."""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cellgate.contract.cells import Cell
from cellgate.contract.configs import GnnConfig, PrepareConfig
from cellgate.contract.results import RunResult
from cellgate.contract.states import RunState
from service.settings import Settings
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.jobs import create_job, runs_of_jobs
from service.store.logs import chunks_after
from service.store.runs import events_of, get_run
from service.store.tables import AttemptRow, RunRow
from tests.fakes import FakeTrainers, prepared, trained
from worker.attempt import supervise
from worker.context import WorkerContext

WAIT_S = 60.0
# What every stand-in can do: the command line and the files of `python -m trainers`, and nothing heavier.
PRELUDE = """
import argparse, json, os, pathlib, signal, subprocess, sys, time
parser = argparse.ArgumentParser()
for name in ("--spec", "--out", "--resume", "--heartbeat"):
    parser.add_argument(name)
parser.add_argument("cell")
options = parser.parse_args()
out = pathlib.Path(options.out)
spec = json.loads(pathlib.Path(options.spec).read_text())
count = 0
def say(kind, **fields):
    global count
    count += 1
    with open(out / "events.jsonl", "a") as file:
        file.write(json.dumps({"n": count, "t": time.time(), "kind": kind, **fields}) + "\\n")
def finish():
    (out / "result.json").write_text(RESULT)
    raise SystemExit(0)
def stopped(handler):
    signal.signal(signal.SIGTERM, handler)
def wait():
    say("phase", phase="train")
    while True:
        time.sleep(0.02)
"""


class CountingBell:
    """Remembers for whom it was notified."""

    def __init__(self) -> None:
        self.notified: list[str] = []

    def notify(self, run_id: str, queue: str) -> bool:
        """Remember the run."""
        del queue
        self.notified.append(run_id)
        return True

    def problem(self) -> str | None:
        """What is wrong with the broker."""
        return None


@dataclass(kw_only=True)
class Floor:
    """Where the runs of one test are supervised.

    Args:
        folder: Of the test.
        database: Migrated.
        url: The database's.
    """

    folder: Path
    database: Database
    url: str
    notifier: CountingBell = field(default_factory=CountingBell)

    def context(self, script: str, *, result: RunResult | None = None, **settings: Any) -> WorkerContext:
        """Return a worker's deployment whose trainers run this script after the prelude.

        Args:
            script: Python.
            result: What `finish()` leaves; by default that of `prepare`.
            settings: Other settings than a lease that outlasts a busy machine.
        """
        path = self.folder / "stand_in.py"
        body = json.dumps((result or prepared()).model_dump(mode="json"))
        path.write_text(f"RESULT = {body!r}\n{PRELUDE}\n{script}\n")
        patient = {
            "data_dir": self.folder,
            "database_url": self.url,
            "lease_s": 10.0,
            "grace_s": 30.0,
            "slots": 1,
            "data_roots": ["/data"],
        }
        return WorkerContext(
            database=self.database,
            notifier=self.notifier,
            settings=Settings.model_validate({**patient, **settings}),
            worker_id="worker-1",
            draining=threading.Event(),
            command=[sys.executable, str(path)],
        )

    def prepare_run(self) -> str:
        """Return the id of a queued run that prepares a data set."""
        with self.database.begin() as session:
            create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
            return session.scalars(select(RunRow.id).order_by(RunRow.id.desc()).limit(1)).one()

    def gnn_runs(self, count: int) -> list[str]:
        """Return the ids of queued runs of cell 52, one per seed, over a data set that is ready."""
        with self.database.begin() as session:
            dataset = create_dataset(session, name="ready", source="/data/made.jsonl", config=PrepareConfig())
        FakeTrainers(self.database, self.folder / "artifacts").work()
        config = GnnConfig().model_dump(mode="json")
        with self.database.begin() as session:
            seeds = list(range(count))
            job = create_job(session, cell=Cell.GNN, dataset_id=dataset.id, config=config, seeds=seeds)
            return [run.id for run in runs_of_jobs(session, [job.id])[job.id]]

    def claim(self, context: WorkerContext) -> Claim:
        """Return a claim of the next run, as this deployment would make it."""
        return claim_as(self.database, context.worker_id, lease_s=context.settings.lease_s)

    def run(self, run_id: str) -> RunRow:
        """Return the run's row as it is now."""
        with self.database.read() as session:
            return get_run(session, run_id)

    def state(self, run_id: str) -> RunState:
        """Return the run's state."""
        return RunState(self.run(run_id).state)

    def attempts(self, run_id: str) -> list[AttemptRow]:
        """Return the run's attempts."""
        chosen = select(AttemptRow).where(AttemptRow.run_id == run_id).order_by(AttemptRow.attempt)
        with self.database.read() as session:
            return list(session.scalars(chosen))

    def recorded(self, run_id: str) -> list[tuple[int, str, dict[str, Any]]]:
        """Return (attempt, kind, body) of every event of trainers, without transitions."""
        with self.database.read() as session:
            rows = events_of(session, run_id=run_id)
        return [(row.attempt or 0, row.kind, row.body) for row in rows if row.kind != "transition"]

    def output(self, run_id: str) -> str:
        """Return what the run's trainers printed."""
        with self.database.read() as session:
            return "".join(row.text for row in chunks_after(session, run_id, limit=100_000))

    def attempt_folder(self, run_id: str) -> Path:
        """Return the folder of the newest attempt."""
        return self.folder / "artifacts" / str(self.run(run_id).path)


class Supervision:
    """A supervisor at work on a thread, until the block ends; the block must see to it that it does.

    Args:
        deployment: Its deployment.
        claim: The attempt.
    """

    def __init__(self, context: WorkerContext, claim: Claim) -> None:
        self._thread = threading.Thread(target=supervise, args=(context, claim))

    def __enter__(self) -> "Supervision":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(WAIT_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the supervisor has not ended within {WAIT_S:g} s")


def claim_as(database: Database, worker: str, *, lease_s: float = 60.0) -> Claim:
    """Return a claim of the next run by this worker."""
    with database.begin() as session:
        claim = claim_next(session, worker=worker, queues=["cpu"], lease_s=lease_s)
    if claim is None:
        raise RuntimeError("nothing is queued")
    return claim


def gnn_result() -> RunResult:
    """Return a valid result of cell 52."""
    return trained(52, 0, 0.9)


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until it is true.

    Raises:
        RuntimeError: It did not become true in a minute.
    """
    deadline = time.monotonic() + WAIT_S
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {WAIT_S:g} s in vain: {what}")
        time.sleep(0.02)


def on_another_worker(context: WorkerContext, worker_id: str) -> WorkerContext:
    """Return the same deployment under another name, not draining."""
    return replace(context, worker_id=worker_id, draining=threading.Event())
