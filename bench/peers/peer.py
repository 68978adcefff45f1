"""The interface between the measurements and a server: `Peer`, and what it states about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bench.peers.http_client import HttpClient


class Row(StrEnum):
    """A group of measurements."""

    SUBMIT = "submit"
    STATUS = "status"
    LIST = "list"
    METRICS = "metrics"
    EXECUTION = "execution"
    FOOTPRINT = "footprint"


class NotSupported(RuntimeError):
    """A row was requested that the peer does not support; its traits should not name it."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is known of a peer before it runs.

    Args:
        name: In results, folders and logs.
        port: On 127.0.0.1.
        distribution: Python distribution whose version is reported.
        venv: Virtual environment it runs from, by the name that `install` gives it.
        likeness: By row: what is measured, and in what it differs from the other peers.
        rows: What can be measured.
        max_submits: Most submits in one series.
        start_latency_jobs: Jobs submitted one after another to measure how long a start takes.
        counted_with: Shared servers whose memory and CPU count as the peer's: `postgres`, `redis`.
        idle_settle_s: Seconds between ready and the reading of idle memory.
        worker_settle_s: Seconds between starting workers and the first job.
        log_delay_s: Seconds until logged points can be read.
        has_tuned_workers: Whether execution is measured a second time after `tune_workers`.
    """

    name: str
    port: int
    distribution: str
    venv: str
    likeness: Mapping[Row, str]
    rows: frozenset[Row] = field(default_factory=lambda: frozenset(Row))
    max_submits: int = 10**9
    start_latency_jobs: int = 8
    counted_with: tuple[str, ...] = ()
    idle_settle_s: float = 8.0
    worker_settle_s: float = 4.0
    log_delay_s: float = 0.0
    has_tuned_workers: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """Process tags whose memory and CPU count as this peer's."""
        return (self.name, *self.counted_with)


class Peer(Protocol):
    """A server under test. Runs are named by the server's own ids."""

    @property
    def traits(self) -> Traits:
        """What is known of it before it runs."""

    def version(self) -> str:
        """Return what is installed."""

    def client(self) -> HttpClient:
        """Return a new connection to it, opened at the first request."""

    # Lifecycle, in this order. `prepare` once; the rest in each round.

    async def prepare(self) -> None:
        """Leave a snapshot with the wanted number of runs; does nothing if there is one. Not timed."""

    def restore(self) -> None:
        """Put the snapshot in place. Not timed."""

    def start(self) -> None:
        """Start the server's processes. The time until `is_ready` is the cold start."""

    def has_exited(self) -> bool:
        """Return whether every process that `start` started has ended."""

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether it answers; connection and HTTP errors count as no."""

    async def warm_up(self, client: HttpClient) -> None:
        """Send first requests, after idle memory was read and before anything is timed."""

    def start_workers(self) -> None:
        """Start what executes jobs, before the execution row."""

    def tune_workers(self) -> None:
        """Start workers anew with other settings, if `has_tuned_workers`."""

    def stop(self) -> None:
        """End every process of this peer."""

    # Requests that are timed.

    async def submit(self, client: HttpClient, number: int) -> str:
        """Submit a run that no executor will pick up; return its id."""

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Return a run's state."""

    async def list_failed(self, client: HttpClient) -> int:
        """List the newest 50 failed runs; return how many came."""

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Write points of one metric of a run."""

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Read that metric whole; return how many points came."""

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Submit a job that runs `programs/job.py TAG` in a process of its own; return its id."""

    # Requests that are not timed.

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Return the ids of so many runs that have not ended."""

    async def metric_run(self, client: HttpClient) -> str:
        """Return the id of a run that metrics can be logged to."""

    async def after_submits(self, client: HttpClient) -> None:
        """Wait for what the submit row left behind."""

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Return whether a job has ended."""
