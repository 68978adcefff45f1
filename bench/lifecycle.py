"""How fast runs start, stop and are taken over, on real processes: `python -m bench.lifecycle [--backend postgres]`.

A deployment of its own (API, reconcilers, two workers, Redis, a database) trains small graph networks, the lease and
every other setting at its default. Prints a Markdown table: percentiles in milliseconds beside their goals. Meant for a
quiet machine, where the database's, the trainers' and our own clock are one.
"""

import argparse
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import psutil
from sqlalchemy import select

from cellgate.client._sync.client import Client
from cellgate.contract.artifacts import EVENTS_NAME
from cellgate.contract.states import RunState
from service.settings import Settings
from service.store.tables import AttemptRow, EventRow, RunRow
from tests.faults.deployment import Backend, Deployment
from tests.faults.workload import JOB, prepare_dataset, wait_until
from worker.tail import EventTail

CHECKPOINT_EVERY = 20
TRAINING: Any = JOB["training"]
SHORT: dict[str, Any] = {**JOB, "seeds": [1]}
# 390 steps: of fewer than 400 every one is reported. Each interrupted run continues to its end.
LONG: dict[str, Any] = {
    **SHORT,
    "training": {**TRAINING, "epochs": 26, "patience": 26, "checkpoint_every_steps": CHECKPOINT_EVERY},
}
LEASE_S = Settings.model_fields["lease_s"].default
GOALS = {
    "submit to claim, warm": "p50 10 ms",
    "submit to first training step, warm": "p50 150 ms",
    "cancel to cancelled": "p99 1500 ms + checkpoint",
    "SIGTERM of a worker to queued again": "500 ms + checkpoint",
    "kill -9 of a worker to going again": f"{1000 * (LEASE_S + 2):.0f} ms",
}
DEFAULTS = {"SLOTS": 1, "THREADS": 1, "LOG_FORMAT": "json"}


@dataclass
class Figures:
    """Milliseconds by what was measured, and steps that were trained twice."""

    took_ms: dict[str, list[float]] = field(default_factory=dict)
    repeated: dict[str, list[int]] = field(default_factory=dict)
    outlived: int = 0

    def add(self, name: str, begun: float, ended: float) -> None:
        """Add a time that was taken."""
        self.took_ms.setdefault(name, []).append(1000 * (ended - begun))


class Bench:
    """A deployment, a data set, and what was measured there."""

    def __init__(self, deployment: Deployment, figures: Figures) -> None:
        self._deployment = deployment
        self._figures = figures
        self._dataset = prepare_dataset(deployment)

    def starts(self, rounds: int, name: str) -> None:
        """Submit small runs, one after the other, to idle workers."""
        with self._deployment.client() as client:
            self._finish(self._submit(client, SHORT)[0])
            for _ in range(rounds):
                run, begun = self._submit(client, SHORT)
                self._finish(run)
                self._figures.add(f"submit to claim, {name}", begun, self._transition(run, RunState.STARTING))
                self._figures.add(f"submit to first training step, {name}", begun, self._first_step(run))

    def cancels(self, rounds: int) -> None:
        """Cancel runs in the middle of their training."""
        with self._deployment.client() as client:
            for _ in range(rounds):
                run = self._training(client)
                begun = time.time()
                client.act("cancel", "runs", run)
                self._finish(run, RunState.CANCELLED)
                self._figures.add("cancel to cancelled", begun, self._transition(run, RunState.CANCELLED))

    def drains(self, rounds: int) -> None:
        """Send SIGTERM to the worker of a training run, as a rolling restart does."""
        with self._deployment.client() as client:
            for _ in range(rounds):
                run = self._training(client)
                begun = time.time()
                self._deployment.signal(self._worker_of(run), signal.SIGTERM)
                self._finish(run)
                self._figures.add("SIGTERM of a worker to queued again", begun, self._transition(run, RunState.QUEUED))
                self._figures.repeated.setdefault("after SIGTERM", []).append(self._steps_repeated(run))

    def takeovers(self, rounds: int) -> None:
        """Kill the worker of a training run, and leave it dead until the run goes on elsewhere."""
        with self._deployment.client() as client:
            for _ in range(rounds):
                run = self._training(client)
                (trainer,) = self._deployment.trainers()
                begun = time.time()
                self._deployment.kill(self._worker_of(run), down_s=LEASE_S + 10)
                wait_until(self._deployment, partial(self._goes_on, run), "the run goes on")
                self._figures.outlived += _lives(trainer)
                self._finish(run)
                self._figures.add(
                    "kill -9 of a worker to going again", begun, self._transition(run, RunState.STARTING, 2)
                )
                self._figures.repeated.setdefault("after kill -9", []).append(self._steps_repeated(run))

    def _submit(self, client: Client, job: dict[str, Any]) -> tuple[str, float]:
        begun = time.time()
        submitted = client.submit_job({**job, "dataset": self._dataset})
        return submitted.runs[0].id, begun

    def _training(self, client: Client) -> str:
        """Return a new run that has trained for some steps."""
        run, _ = self._submit(client, LONG)
        wait_until(self._deployment, lambda: (self._row(run).steps_done or 0) > CHECKPOINT_EVERY, "the run trains")
        return run

    def _finish(self, run: str, state: RunState = RunState.SUCCEEDED) -> None:
        wait_until(self._deployment, lambda: RunState(self._row(run).state).terminal, "the run ends")
        found = self._row(run)
        if found.state != state:
            raise RuntimeError(f"run {run} ended as {found.state}: {found.failure_detail}; expected {state}")

    def _goes_on(self, run: str) -> bool:
        return self._row(run).attempt == 2

    def _row(self, run: str) -> RunRow:
        with self._deployment.database.read() as session:
            return session.scalars(select(RunRow).where(RunRow.id == run)).one()

    def _worker_of(self, run: str) -> str:
        pid = int(str(self._row(run).worker).rpartition(":")[2])
        (name,) = (
            member.name
            for member in self._deployment.members.values()
            if member.process is not None and member.process.pid == pid
        )
        return name

    def _transition(self, run: str, to: RunState, attempt: int = 1) -> float:
        """Return when the run came to a state, by the database's clock."""
        chosen = select(EventRow).where(EventRow.run_id == run, EventRow.kind == "transition").order_by(EventRow.id)
        with self._deployment.database.read() as session:
            moves = [event for event in session.scalars(chosen) if event.body["to"] == to]
        return next(apply_transition.at for apply_transition in moves if (apply_transition.attempt or 0) >= attempt)

    def _first_step(self, run: str) -> float:
        """Return when the first step was done, by the trainer's clock."""
        tail = EventTail(self._deployment.artifacts / str(self._row(run).path) / EVENTS_NAME)
        return next(float(event["t"]) for event in _all(tail) if event["kind"] == "metric" and event["step"] == 1)

    def _steps_repeated(self, run: str) -> int:
        """Count by the trainers' own files: a killed worker did not bring the last steps into the database."""
        with self._deployment.database.read() as session:
            paths = list(session.scalars(select(AttemptRow.path).where(AttemptRow.run_id == run)))
        steps = [
            event["step"]
            for path in paths
            for event in _all(EventTail(self._deployment.artifacts / path / EVENTS_NAME))
            if event["kind"] == "metric" and "train/loss" in event["values"]
        ]
        if not steps or set(steps) != set(range(1, max(steps) + 1)):
            raise RuntimeError(f"the attempts of run {run} do not report every step; expected 1, 2, 3 … without a gap")
        return len(steps) - len(set(steps))


def _all(tail: EventTail) -> Iterator[dict[str, Any]]:
    while events := tail.read():
        yield from events


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=get_args(Backend), default="sqlite")
    parser.add_argument("--rounds", type=int, default=20, help="of the quick ones; a fifth of it of takeovers")
    given = parser.parse_args()
    figures = Figures()
    _with_deployment(given.backend, {}, lambda deployment: _all_of_it(Bench(deployment, figures), given.rounds))
    cold = {"WARM_START": "false"}
    _with_deployment(
        given.backend, cold, lambda deployment: Bench(deployment, figures).starts(max(3, given.rounds // 5), "cold")
    )
    _print(figures)


def _with_deployment(backend: Backend, settings: Mapping[str, object], work: Callable[[Deployment], None]) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cellgate-bench-", ignore_cleanup_errors=True) as folder,
        Deployment(Path(folder), backend, settings={**DEFAULTS, **settings}, clock_errors_s={}) as deployment,
    ):
        work(deployment)


def _all_of_it(bench: Bench, rounds: int) -> None:
    bench.starts(rounds, "warm")
    bench.cancels(rounds)
    bench.drains(max(3, rounds // 2))
    bench.takeovers(max(3, rounds // 5))


def _print(figures: Figures) -> None:
    print("| | times | p50, ms | p99, ms | longest, ms | goal |\n|---|---|---|---|---|---|")
    for name, took in figures.took_ms.items():
        p99 = statistics.quantiles(took, n=100, method="inclusive")[-1]
        shown = f"{statistics.median(took):.0f} | {p99:.0f} | {max(took):.0f}"
        print(f"| {name} | {len(took)} | {shown} | {GOALS.get(name, '')} |")
    print(f"\nLease: {LEASE_S:g} s; a checkpoint every {CHECKPOINT_EVERY} steps.")
    for name, counts in figures.repeated.items():
        print(f"Steps trained twice {name}: {' '.join(map(str, counts))}")
    print(f"Trainers that still lived when their run went on elsewhere: {figures.outlived}")


if __name__ == "__main__":
    main()
