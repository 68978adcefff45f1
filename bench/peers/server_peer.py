"""What servers have in common: their processes, snapshots and defaults of `Peer`."""

# ruff: noqa: ARG002 - what is not supported takes the arguments that it would take

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from bench.peers.http_client import HttpClient
from bench.peers.peer import NotSupported, Row, Traits
from bench.peers.processes import ProcessTable
from bench.peers.settings import BenchSettings
from bench.peers.shared_servers import SharedServers

HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What every peer is given."""

    settings: BenchSettings
    processes: ProcessTable
    servers: SharedServers


class ServerPeer:
    """Base of the peers; satisfies `Peer` once the supported operations are overridden.

    Args:
        environment: Settings, processes, shared servers.
        traits: What is known of it.
    """

    def __init__(self, environment: Environment, traits: Traits) -> None:
        self.settings = environment.settings
        self.processes = environment.processes
        self.servers = environment.servers
        self._traits = traits
        self._own: list[subprocess.Popen[str]] = []

    @property
    def traits(self) -> Traits:
        """What is known of it before it runs."""
        return self._traits

    @property
    def live(self) -> Path:
        """Folder that the server works in."""
        return self.settings.live(self._traits.name)

    @property
    def snapshot(self) -> Path:
        """Folder that `prepare` leaves."""
        return self.settings.snapshot(self._traits.name)

    @property
    def venv(self) -> Path:
        """Virtual environment that the server runs from."""
        return self.settings.venv_or_own(self._traits.venv)

    def program(self, name: str) -> str:
        """Return a program of the virtual environment."""
        return str(self.venv / "bin" / name)

    def version(self) -> str:
        """Return the distribution's version, empty if it is not installed."""
        return self.version_of(self._traits.distribution)

    def version_of(self, distribution: str) -> str:
        """Return the version of a distribution in the virtual environment, empty if it is not installed."""
        folders = [str(folder) for folder in self.venv.glob("lib/python3*/site-packages")]
        return next((found.version for found in distributions(name=distribution, path=folders)), "")

    def client(self) -> HttpClient:
        """Return a new connection."""
        return HttpClient(HOST, self._traits.port)

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        log: str | None = None,
        cwd: Path | None = None,
        piped: bool = False,
    ) -> "subprocess.Popen[str]":
        """Start a process of this peer, its virtual environment first on the PATH; see `ProcessTable.start`."""
        path = f"{self.venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        given = {"PATH": path} | dict(environment or {})
        process = self.processes.start(self._traits.name, command, given, log=log, cwd=cwd, piped=piped)
        self._own.append(process)
        return process

    def end(self, process: "subprocess.Popen[str]", grace_s: float = 30.0) -> None:
        """Send SIGTERM to one process; kill it after the grace."""
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def empty_live(self) -> Path:
        """Return the live folder, emptied."""
        shutil.rmtree(self.live, ignore_errors=True)
        self.live.mkdir(parents=True)
        return self.live

    def keep_snapshot(self) -> None:
        """Make the live folder the snapshot; the server must have been stopped."""
        self.snapshot.parent.mkdir(parents=True, exist_ok=True)
        self.live.rename(self.snapshot)

    async def prepare(self) -> None:
        """Leave nothing: the server starts empty."""

    def restore(self) -> None:
        """Copy the snapshot into the live folder; written to disk, so that no later write waits for it."""
        self.empty_live()
        if self.snapshot.is_dir():
            shutil.copytree(self.snapshot, self.live, symlinks=True, dirs_exist_ok=True)
        os.sync()

    def has_exited(self) -> bool:
        """Return whether every process that was started has ended."""
        return bool(self._own) and all(process.poll() is not None for process in self._own)

    async def is_ready(self, client: HttpClient) -> bool:
        """Return whether `/` answers."""
        await client.send("GET", "/")
        return True

    async def warm_up(self, client: HttpClient) -> None:
        """Send nothing."""

    def start_workers(self) -> None:
        """Start nothing: the server executes jobs itself."""

    def tune_workers(self) -> None:
        """Not there."""
        raise self._not_supported(Row.EXECUTION)

    def stop(self) -> None:
        """End every process."""
        self.processes.stop(self._traits.name)
        self._own.clear()

    async def submit(self, client: HttpClient, number: int) -> str:
        """Not there."""
        raise self._not_supported(Row.SUBMIT)

    async def status(self, client: HttpClient, run_id: str) -> str:
        """Not there."""
        raise self._not_supported(Row.STATUS)

    async def list_failed(self, client: HttpClient) -> int:
        """Not there."""
        raise self._not_supported(Row.LIST)

    async def log_points(self, client: HttpClient, run_id: str, first_step: int, count: int) -> None:
        """Not there."""
        raise self._not_supported(Row.METRICS)

    async def read_points(self, client: HttpClient, run_id: str) -> int:
        """Not there."""
        raise self._not_supported(Row.METRICS)

    async def submit_job(self, client: HttpClient, tag: str) -> str:
        """Not there."""
        raise self._not_supported(Row.EXECUTION)

    async def is_finished(self, client: HttpClient, run_id: str) -> bool:
        """Not there."""
        raise self._not_supported(Row.EXECUTION)

    async def running(self, client: HttpClient, count: int) -> list[str]:
        """Submit so many runs."""
        return [await self.submit(client, number) for number in range(count)]

    async def metric_run(self, client: HttpClient) -> str:
        """Submit a run."""
        return await self.submit(client, 0)

    async def after_submits(self, client: HttpClient) -> None:
        """Wait for nothing."""

    def _not_supported(self, row: Row) -> NotSupported:
        return NotSupported(f"{self._traits.name} has no {row} row; its traits name {sorted(self._traits.rows)}")
