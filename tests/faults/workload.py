"""Small real training runs, whose outcome is known from runs that nothing disturbed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from cellgate.client._sync.client import Client
from cellgate.client.errors import ClientError, Refused
from cellgate.contract.states import LEASED, RunState
from service.domain.curves import is_by_time
from service.store.runs import metrics_of
from service.store.tables import RunRow
from tests.faults.deployment import Deployment
from trainers.demo_data.generator import write_jsonl

FUNCTIONS = 400
SEEDS = (1, 2, 4)
WAIT_S = 240.0
# At most so many runs have not ended at any time.
IN_FLIGHT = 5
JOB = {
    "cell": 52,
    # Each run is to be trained, though an equal one has finished.
    "fresh": True,
    "model": {"width": 32, "layers": 2},
    "training": {
        "epochs": 6,
        "batch_size": 16,
        "patience": 6,
        "learning_rate": {"value": 1e-2},
        "checkpoint_every_steps": 5,
    },
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run comes to: the hash of each file, the metrics of each split, every point of its curves."""

    artifacts: dict[str, str]
    metrics: dict[str, Any]
    curves: dict[str, dict[int, float]]


def outcome_of(deployment: Deployment, run_id: str) -> Outcome:
    """Return what a finished run came to; left out is what differs: the checkpoint's files, times, what it took."""
    with deployment.database.read() as session:
        result = session.scalars(select(RunRow.result).where(RunRow.id == run_id)).one() or {}
        curves = {
            curve.key: dict(zip(curve.steps, curve.values, strict=True))
            for curve in metrics_of(session, run_id)
            if not is_by_time(curve.key)
        }
    return Outcome(artifacts=result.get("artifacts", {}), metrics=result.get("metrics", {}), curves=curves)


def prepare_dataset(deployment: Deployment) -> str:
    """Prepare the data set through the deployment; return its id."""
    source = deployment.folder / "data" / "functions.jsonl"
    source.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(source, functions=FUNCTIONS, seed=3)
    with deployment.client() as client:
        dataset = client.add_dataset({"name": "functions", "source": str(source)})
        wait_until(
            deployment, lambda: client.dataset(dataset.id).state in ("ready", "failed"), "the data set is prepared"
        )
        found = client.dataset(dataset.id)
    if found.state != "ready":
        raise RuntimeError(f"the data set could not be prepared: {found}")
    return dataset.id


def undisturbed(deployment: Deployment, dataset: str) -> dict[int, Outcome]:
    """Train each seed once before anything is broken; return what each came to."""
    with deployment.client() as client:
        job = client.submit_job({**JOB, "dataset": dataset, "seeds": list(SEEDS)})
        wait_until(
            deployment, lambda: client.job(job.id).state not in ("queued", "running"), "the undisturbed runs end"
        )
        ended = client.job(job.id)
    if ended.state != "succeeded":
        raise RuntimeError(f"an undisturbed run did not succeed: {ended}")
    return {run.seed: outcome_of(deployment, run.id) for run in ended.runs}


def wait_until(deployment: Deployment, true: Callable[[], bool], what: str, *, timeout_s: float = WAIT_S) -> None:
    """Keep the deployment up until it is true.

    Raises:
        RuntimeError: It did not become true in time.
    """
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.1)):
        deployment.look()
        if true():
            return
        pause.wait(0.1)
    raise RuntimeError(f"waited {timeout_s:g} s in vain: {what}")


class Submitter:
    """Submits jobs on a thread of its own, whatever is broken meanwhile; a context manager.

    Each is one POST with one Idempotency-Key, sent again until it is answered.
    """

    def __init__(self, deployment: Deployment, dataset: str) -> None:
        self._deployment = deployment
        self._dataset = dataset
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._submit)
        self.jobs: list[str] = []
        self.refused: list[str] = []

    def __enter__(self) -> "Submitter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _submit(self) -> None:
        with self._deployment.client(patience_s=120) as client:
            while not self._stop.wait(0.2):
                if in_flight(self._deployment) < IN_FLIGHT:
                    self._submit_one(client)

    def _submit_one(self, client: Client) -> None:
        seed = SEEDS[len(self.jobs) % len(SEEDS)]
        try:
            self.jobs.append(client.submit_job({**JOB, "dataset": self._dataset, "seeds": [seed]}).id)
        except Refused as error:
            self.refused.append(str(error))
        except ClientError:
            # Nobody answered for minutes: what was or was not accepted shows in the rows.
            return


def in_flight(deployment: Deployment) -> int:
    """Return how many runs have not ended; as good as too many while the database is away."""
    ended = [state for state in RunState if state.terminal]
    try:
        with deployment.database.read() as session:
            return session.scalar(select(func.count()).where(RunRow.state.not_in(ended))) or 0
    except Exception:  # noqa: BLE001  # a fault is at work
        return IN_FLIGHT


def live_runs(deployment: Deployment) -> list[RunRow]:
    """Return the runs that wait for a worker or are with one; none while the database is away."""
    live = [*LEASED, RunState.QUEUED, RunState.RECOVERING]
    try:
        with deployment.database.read() as session:
            return list(session.scalars(select(RunRow).where(RunRow.state.in_(live))))
    except DBAPIError:
        return []


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the files of an attempt's checkpoint."""
    return sorted(path for path in folder.glob("checkpoint/step-*/*") if path.is_file())
