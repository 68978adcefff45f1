"""Client of the fork server, which starts trainers within milliseconds from a process that has imported torch."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from cellgate.contract.processes import module_command, module_environment

COMMAND = tuple(module_command("trainers.fork_server"))
# Threads do not survive a fork: a trainer sets torch's number itself, and Arrow's allocator must start none.
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
RESTART_AFTER_S = 30.0
# From the request to the fork's process id; a fork takes milliseconds.
FORK_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 1.0
log = structlog.get_logger(__name__)


class ForkServerLost(Exception):
    """The fork server ended after a request: whether the trainer runs is unknown, so this attempt cannot go on."""


class WarmTrainer:
    """A trainer that the fork server has started: the counterpart of `subprocess.Popen`.

    Args:
        pid: Of the trainer, which leads its process group.
        connection: The socket on which its exit code will arrive.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self._connection = connection
        self._received = b""
        self._exit_code: int | None = None

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end, at most `timeout_s`; return the exit code, negative for a signal, or None."""
        deadline = time.monotonic() + timeout_s
        while self._exit_code is None:
            self._connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                received = self._connection.recv(4096)
            except TimeoutError:
                return None
            self._received += received
            if not received:
                self._exit_code = self._end_without_server()
            elif self._received.endswith(b"\n"):
                self._exit_code = int(json.loads(self._received)["exit_code"])
        return self._exit_code

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _end_without_server(self) -> int:
        """Kill a trainer that has no parent to report its end; return SIGKILL's exit code."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        with suppress(ProcessLookupError, PermissionError):
            # Until the group is gone, or only zombies without a parent are left of it.
            while time.monotonic() < deadline:
                os.killpg(self.pid, signal.SIGKILL)
                time.sleep(0.01)
        return -signal.SIGKILL


class ForkServerProcess:
    """Starts the server process, restarts it after a crash, and requests trainers from it."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        # A folder of our own with a short name: the path of a socket is limited to about 100 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="cellgate-fork-"))
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = float("-inf")

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        with self._lock:
            return self._process is not None and self._process.poll() is None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the server unless it runs, or was started less than RESTART_AFTER_S ago.

        Args:
            environment: Its whole environment; each trainer gets one of its own.
        """
        with self._lock:
            dead = self._process is None or self._process.poll() is not None
            if not dead or time.monotonic() - self._started < RESTART_AFTER_S:
                return
            self._release()
            self._started = time.monotonic()
            try:
                self._process = subprocess.Popen(
                    [*self._command, str(self._socket)],
                    stdin=subprocess.PIPE,
                    env={**module_environment(environment), **SINGLE_THREADED},
                    start_new_session=True,
                )
            except OSError as error:
                log.warning("fork_server_not_started", error=str(error))

    def fork(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], stdin: int, output: int, patience_s: float
    ) -> WarmTrainer | None:
        """Return a started trainer; None if the server is not ready in time: the caller then starts one cold.

        Args:
            arguments: Of `python -m trainers`.
            environment: The trainer's whole environment.
            stdin: Descriptor of its standard input.
            output: Descriptor of its standard output and error.
            patience_s: Seconds to wait for a server that is still importing.

        Raises:
            ForkServerLost: The server ended after the request.
        """
        connection = self._connect(patience_s)
        if connection is None:
            return None
        request = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode() + b"\n"
        try:
            connection.settimeout(FORK_TIMEOUT_S)
            socket.send_fds(connection, [request], [stdin, output])
            pid = int(json.loads(_read_line(connection))["pid"])
        except (OSError, ValueError, KeyError) as error:
            connection.close()
            raise ForkServerLost(f"the fork server ended unexpectedly: {error}") from error
        return WarmTrainer(pid, connection)

    def close(self) -> None:
        """Kill the server, and with it its trainers."""
        with self._lock:
            self._release()
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _socket(self) -> Path:
        return self._folder / "socket"

    def _connect(self, patience_s: float) -> socket.socket | None:
        process = self._process
        deadline = time.monotonic() + patience_s
        while process is not None and process.poll() is None and (left_s := deadline - time.monotonic()) > 0:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(left_s)
            try:
                connection.connect(str(self._socket))
                _read_line(connection)
            except OSError:
                connection.close()
                time.sleep(0.01)
                continue
            return connection
        return None

    def _release(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def _read_line(connection: socket.socket) -> bytes:
    """Return the next line.

    Raises:
        OSError: The server closed the connection, or sends nothing in time.
    """
    line = b""
    while not line.endswith(b"\n"):
        # Byte by byte: what follows the line belongs to whoever waits for the exit code.
        received = connection.recv(1)
        if not received:
            raise ConnectionResetError("the fork server closed the connection")
        line += received
    return line
