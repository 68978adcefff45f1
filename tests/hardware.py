"""A database, a broker and real `python -m worker` processes that share them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.states import RunState
from service.broker.connections import redis_client
from service.store.database import Database, migrate
from service.store.datasets import create_dataset, preparing_runs
from service.store.runs import get_run
from service.store.workers import list_workers
from tests.worker_harness import until
from trainers.demo_data.generator import write_jsonl

REPOSITORY = Path(__file__).resolve().parents[1]


class Machine:
    """A database, a broker and the processes that share them.

    Args:
        folder: Of the test.
        url: The database's.
        broker_url: The broker's.
    """

    def __init__(self, folder: Path, url: str, broker_url: str) -> None:
        self.folder = folder
        self.url = url
        self.broker_url = broker_url
        migrate(url)
        self.database = Database(url)
        self.settings: Mapping[str, str] = {
            "CELLGATE_DATA_DIR": str(folder),
            "CELLGATE_DATABASE_URL": url,
            "CELLGATE_REDIS_URL": broker_url,
            "CELLGATE_LOG_FORMAT": "json",
            "CELLGATE_SLOTS": "2",
            "CELLGATE_THREADS": "1",
            "CELLGATE_LEASE_S": "30",
            # A fork server imports for five seconds of CPU before the first run, and these workers do two runs at most.
            "CELLGATE_WARM_START": "false",
        }

    @contextmanager
    def process(self, role: str, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Yield a running `python -m worker ROLE`; it is killed at the end if it has not ended."""
        with (self.folder / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker", role],
                cwd=REPOSITORY,
                env={**os.environ, **self.settings, **settings},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def queued_dataset(self) -> str:
        """Return the id of a data set whose `prepare` waits; nobody was notified."""
        source = self.folder / "data" / "functions.jsonl"
        source.parent.mkdir(exist_ok=True)
        write_jsonl(source, functions=300, seed=1)
        with self.database.begin() as session:
            return create_dataset(session, name="generated", source=str(source), config=PrepareConfig()).id

    def run_of(self, dataset_id: str) -> str:
        """Return the id of the run that prepares it."""
        with self.database.read() as session:
            return preparing_runs(session, [dataset_id])[dataset_id]

    def state(self, run_id: str) -> str:
        """Return the run's state."""
        with self.database.read() as session:
            return get_run(session, run_id).state

    def workers(self) -> list[str]:
        """Return the ids of the workers that are registered."""
        with self.database.read() as session:
            return [worker.id for worker in list_workers(session)]

    def ended(self, run_id: str) -> str:
        """Return the state in which the run has ended."""
        until(lambda: RunState(self.state(run_id)).terminal, "the run ends")
        return self.state(run_id)

    def waits_for_work(self) -> None:
        """Wait until a worker listens to the broker."""
        with redis_client(self.broker_url) as client:
            until(lambda: bool(self.workers()) and _listens(client), "a worker listens")


def _listens(client: redis.Redis) -> bool:
    return any("brpop" in str(entry["cmd"]) for entry in client.client_list())
