"""The real API on a real port, over a database whose runs were ended by hand."""

import logging
import math
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import structlog

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.events import EventKind
from cellgate.contract.experiment import ExperimentSpec
from service.app import create_app
from service.run import Server, server_config
from service.settings import Settings
from service.store.claims import Claim, claim_next
from service.store.database import Database, migrate
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment
from service.store.jobs import jobs_of_experiment, runs_of_jobs
from service.store.lifecycle import mark_running
from service.store.recorder import record_event, record_log, record_metrics, record_progress
from service.store.workers import register_worker
from tests.fakes import HEALTHY, F1s, FakeTrainers

START_TIMEOUT_S = 30
EPOCHS = 8
STEPS_PER_EPOCH = 40
DATABASE_NAME = "cellgate.db"
TRAINED = (Cell.TRANSFORMER, Cell.GNN, Cell.FUSION)


class SilentNotifier:
    """A notification that nobody hears: the tests run what is queued themselves."""

    def notify(self, run_id: str, queue: str) -> bool:
        """Wake nobody."""
        del run_id, queue
        return True

    def problem(self) -> str | None:
        """What is wrong with the broker."""
        return None


class TalkingTrainers(FakeTrainers):
    """Trainers that also say what real ones say: progress, curves, events, output."""

    def end(self, claim: Claim) -> None:
        """End a claimed run after having written its events."""
        if claim.cell in TRAINED:
            self.write_events(claim, epochs=EPOCHS)
        super().end(claim)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Run whatever is queued while the block runs."""
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(0.05):
                self.work()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def begin_one(self) -> Claim:
        """Claim the next run and leave it running, half way."""
        with self.database.begin() as session:
            claim = claim_next(session, worker="worker-1", queues=["cpu"], lease_s=3600)
            if claim is None:
                raise RuntimeError("nothing is queued")
            mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
        self.write_events(claim, epochs=EPOCHS // 2)
        return claim

    def write_events(self, claim: Claim, *, epochs: int) -> None:
        """Write the events of a trainer's first `epochs` epochs."""
        run, attempt = claim.run_id, claim.attempt
        slow = 1 + 0.15 * claim.seed + 0.6 * TRAINED.index(claim.cell)
        loss = [
            ("train/loss", step, 0.1 + 0.6 * math.exp(-step / 80 / slow))
            for step in range(5, 1 + epochs * STEPS_PER_EPOCH, 5)
        ]
        norms = [("grad_norm/total", step, 0.5 + 2 * value) for _, step, value in loss]
        weights = [("weight_norm/all", step, 10 + step / 100) for _, step, _ in loss]
        rates = [("lr/all", step, 1e-3 * min(1, step / 30)) for _, step, _ in loss]
        f1s = [
            ("dev/f1", epoch * STEPS_PER_EPOCH, 0.93 * (1 - math.exp(-epoch / 1.6 / slow)))
            for epoch in range(1, 1 + epochs)
        ]
        with self.database.begin() as session:
            record_progress(
                session,
                run_id=run,
                attempt=attempt,
                phase="train",
                steps_done=epochs * STEPS_PER_EPOCH,
                steps_total=EPOCHS * STEPS_PER_EPOCH,
                epoch=epochs,
                epochs=EPOCHS,
                eta_s=8.0 * (EPOCHS - epochs),
            )
            record_metrics(session, run_id=run, attempt=attempt, points=[*loss, *norms, *weights, *rates, *f1s])
            found = {"learning_rate": 1e-3, "source": "finder", "reason": "valley of 60 steps"}
            record_event(session, run_id=run, attempt=attempt, kind=EventKind.LR_FINDER, body=found)
            record_log(session, run_id=run, attempt=attempt, number=1, text="loading the data set\ntraining\n")


@dataclass(frozen=True, kw_only=True)
class LiveServer:
    """A running API.

    Args:
        url: Its address.
        database: What it reads.
        artifacts: Where runs write.
        data: A folder that data sets may be read from.
        connections: The open connections.
    """

    url: str
    database: Database
    artifacts: Path
    data: Path
    connections: Sized

    def dataset(self, name: str = "made") -> str:
        """Return the id of a new data set; it is queued."""
        with self.database.begin() as session:
            return create_dataset(session, name=name, source="/data/made.jsonl", config=PrepareConfig()).id

    def experiment(self, dataset_id: str, name: str = "question", spec: ExperimentSpec | None = None) -> str:
        """Return the id of a new experiment; what comes first of it is queued."""
        wanted = spec or ExperimentSpec(seeds=[0, 1])
        with self.database.begin() as session:
            return create_experiment(session, name=name, dataset_id=dataset_id, spec=wanted).id

    def run_of(self, experiment_id: str, step: str, seed: int) -> str:
        """Return the id of the run that counts for this seed of a step."""
        with self.database.read() as session:
            job = next(job for job in jobs_of_experiment(session, experiment_id) if job.step == step)
            return next(run.id for run in runs_of_jobs(session, [job.id])[job.id] if run.seed == seed)

    def trainers(self, f1s: F1s = HEALTHY) -> TalkingTrainers:
        """Return trainers for what is queued."""
        return TalkingTrainers(self.database, self.artifacts, f1s)


@contextmanager
def run_live_server(folder: Path, *, token: str | None = None, **limits: Any) -> Iterator[LiveServer]:
    """Yield the API on a free port over an empty database in this folder.

    Args:
        limits: Further settings.
    """
    # What the API logs is not what the test's own process prints.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = Settings.model_validate({"data_dir": folder, "port": port, "token": token, **limits})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATABASE_NAME).write_bytes(_migrated())
    database = Database(settings.database)
    with database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=2)
    app = create_app(settings, notifier=SilentNotifier())
    config = server_config(settings, app)
    protocol: Any = config.http
    config.timeout_graceful_shutdown = 2
    server = Server(config, app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, thread)
        yield LiveServer(
            url=url, database=database, artifacts=settings.artifacts, data=folder / "data", connections=protocol.table
        )
    finally:
        server.should_exit = True
        thread.join()
        database.dispose()
        structlog.reset_defaults()


@cache
def _migrated() -> bytes:
    """An SQLite database at the newest schema, without rows; it takes half a second to make."""
    with tempfile.TemporaryDirectory(prefix="cellgate-migrated-") as folder:
        file = Path(folder) / DATABASE_NAME
        migrate(f"sqlite:///{file}")
        return file.read_bytes()


def _wait_until_up(url: str, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and thread.is_alive():
        try:
            if httpx.get(f"{url}/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise RuntimeError("the API did not start")
