"""Metrics of the whole deployment, read from SQL, so that every API process reports the same."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cellgate.contract.api.operations import Health, HealthStatus, StorageKind
from cellgate.contract.states import RunState
from service.store.database import Database
from service.store.queue import QueueLoad, queue_loads
from service.store.storage import measured_by_kind
from service.store.tables import WatchedThreadRow
from service.store.totals import FinishedRuns, Histogram, ended_runs, lost_leases, waits
from service.store.watched import watched_threads
from service.store.webhooks import open_circuits
from service.store.workers import list_workers, living_workers
from service.telemetry.health import HealthProbe

# Ten scrapes at once cost as much as one, and however many runs there are, collecting takes a twentieth of the time at
# most.
KEPT_S = 2.0
KEPT_PER_S_OF_WORK = 20.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The deployment at one moment."""

    queues: list[QueueLoad]
    ended: list[FinishedRuns]
    waits: dict[str, Histogram]
    lost_leases: int
    workers: dict[str, int]
    deaf: int
    storage: dict[StorageKind, int]
    deaths: Sequence[WatchedThreadRow]
    open_circuits: int


def snapshot(session: Session) -> Snapshot:
    """Return the deployment as it is now."""
    workers = list_workers(session)
    alive = living_workers(session)
    draining = sum(worker.draining for worker in alive)
    return Snapshot(
        queues=queue_loads(session),
        ended=ended_runs(session),
        waits=waits(session),
        lost_leases=lost_leases(session),
        workers={"serving": len(alive) - draining, "draining": draining, "silent": len(workers) - len(alive)},
        deaf=sum(worker.listening is False for worker in alive),
        storage=measured_by_kind(session),
        deaths=watched_threads(session),
        open_circuits=open_circuits(session),
    )


class MetricsCollector(Collector):
    """Collects metrics from SQL and the broker, and caches them briefly."""

    def __init__(self, database: Database, health: HealthProbe) -> None:
        self._database = database
        self._health = health
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._fresh_until = 0.0

    def collect(self) -> Iterable[Metric]:
        """Return every family; without the database only the health."""
        with self._lock:
            begun = time.monotonic()
            if begun >= self._fresh_until:
                self._kept = list(self._look())
                done = time.monotonic()
                self._fresh_until = done + max(KEPT_S, KEPT_PER_S_OF_WORK * (done - begun))
            return self._kept

    def _look(self) -> Iterator[Metric]:
        health = self._health.look()
        yield _health(health)
        yield _gauge("broker_up", "Whether the broker takes messages.", self._health.broker_problem() is None)
        yield _gauge("database_up", "Whether the database answers.", health.checks.database.ok)
        if health.checks.database.ok and health.checks.migrations.ok:
            try:
                with self._database.read() as session:
                    found = snapshot(session)
            except SQLAlchemyError:
                return
            yield from _families(found)


def _health(health: Health) -> Metric:
    family = GaugeMetricFamily("cellgate_health", "1 for what GET /readyz answers, else 0.", labels=["status"])
    for status in HealthStatus:
        family.add_metric([status.value], float(status is health.status))
    return family


def _families(found: Snapshot) -> Iterator[Metric]:
    yield from _of_queues(found.queues)
    yield from _of_runs(found.ended)
    yield _histogram("run_wait_seconds", "From a run's creation to its first worker.", "queue", found.waits)
    lost = CounterMetricFamily(
        "cellgate_lease_takeovers", "Runs taken from a worker that was not heard of in time.", value=found.lost_leases
    )
    yield lost
    workers = GaugeMetricFamily(
        "cellgate_workers", "Workers: who takes runs, drains, or fell silent.", labels=["state"]
    )
    for state, count in found.workers.items():
        workers.add_metric([state], count)
    yield workers
    yield _gauge("workers_deaf", "Living workers that hear no notifications and look for runs.", found.deaf)
    stored = GaugeMetricFamily("cellgate_storage_bytes", "Stored bytes, as measured last.", labels=["kind"])
    for kind, size in found.storage.items():
        stored.add_metric([kind.value], size)
    yield stored
    deaths = CounterMetricFamily(
        "cellgate_thread_deaths",
        "Unexpected ends of long-lived threads and tasks, each of which was started again.",
        labels=["process", "thread"],
    )
    for row in found.deaths:
        deaths.add_metric([row.process, row.thread], row.deaths)
    yield deaths
    yield _gauge("webhook_circuits_open", "Webhooks that fail and are only probed.", float(found.open_circuits))


def _of_queues(queues: list[QueueLoad]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("cellgate_queue_runs", "Unfinished runs, by queue and state.", labels=["queue", "state"])
    oldest = GaugeMetricFamily(
        "cellgate_queue_oldest_wait_seconds", "How long the oldest queued run has waited.", labels=["queue"]
    )
    slots = GaugeMetricFamily("cellgate_queue_slots", "Slots of the workers that serve it.", labels=["queue"])
    free = GaugeMetricFamily("cellgate_queue_free_slots", "Those with no run at work.", labels=["queue"])
    for load in queues:
        for state in RunState:
            if not state.terminal:
                depth.add_metric([load.queue, state.value], load.counts[state])
        oldest.add_metric([load.queue], load.oldest_wait_s or 0.0)
        slots.add_metric([load.queue], load.slots)
        free.add_metric([load.queue], load.free_slots)
    leases = float(sum(load.running for load in queues))
    yield from (depth, oldest, slots, free, _gauge("leases", "Runs that a worker holds under a lease.", leases))


def _of_runs(ended: list[FinishedRuns]) -> Iterator[Metric]:
    times = HistogramMetricFamily(
        "cellgate_run_duration_seconds", "Running time of ended runs, all attempts.", labels=["cell", "state"]
    )
    failures = CounterMetricFamily("cellgate_run_failures", "Failed runs, by reason.", labels=["cell", "reason"])
    for (cell, state), histogram in _by_state(ended).items():
        times.add_metric([cell, state.value], *_buckets(histogram))
    for group in ended:
        if group.state is RunState.FAILED:
            failures.add_metric([group.cell, group.reason or "unknown"], group.run_time.count)
    yield from (times, failures)


def _by_state(ended: list[FinishedRuns]) -> dict[tuple[str, RunState], Histogram]:
    found: dict[tuple[str, RunState], Histogram] = {}
    for group in ended:
        key = (group.cell, group.state)
        found[key] = _both(found[key], group.run_time) if key in found else group.run_time
    return found


def _both(one: Histogram, other: Histogram) -> Histogram:
    return Histogram(
        at_most={bound: count + other.at_most[bound] for bound, count in one.at_most.items()},
        count=one.count + other.count,
        sum_s=one.sum_s + other.sum_s,
    )


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cellgate_{name}", about, value=value)


def _histogram(name: str, about: str, label: str, histograms: dict[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(f"cellgate_{name}", about, labels=[label])
    for value, histogram in histograms.items():
        family.add_metric([value], *_buckets(histogram))
    return family


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    bounds = [(f"{bound:g}", float(count)) for bound, count in histogram.at_most.items()]
    return [*bounds, ("+Inf", float(histogram.count))], histogram.sum_s
