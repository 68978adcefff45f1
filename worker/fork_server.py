"""The worker's fork server: trainers that start within milliseconds, where that is to be had."""

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
# Threads do not survive a fork: a trainer sets the number of torch's itself, and Arrow's allocator shall start none.
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
    """It broke off after it was asked: nobody knows whether the trainer runs, so this attempt cannot go on."""


class WarmTrainer:
    """A trainer that the fork server has started; what `subprocess.Popen` is to one of our own.

    Args:
        pid: Of the trainer, which leads its group.
        connection: On which its exit code will come.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self._connection = connection
        self._said = b""
        self._exit_code: int | None = None

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end at most so long; return its exit code, negative for a signal, or None."""
        deadline = time.monotonic() + timeout_s
        while self._exit_code is None:
            self._connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                said = self._connection.recv(4096)
            except TimeoutError:
                return None
            self._said += said
            if not said:
                self._exit_code = self._end_without_server()
            elif self._said.endswith(b"\n"):
                self._exit_code = int(json.loads(self._said)["exit_code"])
        return self._exit_code

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _end_without_server(self) -> int:
        """Kill what nobody can wait for any more; its exit code is then the signal's."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        with suppress(ProcessLookupError, PermissionError):
            # Until nothing is left of the group, or only what no parent asks for.
            while time.monotonic() < deadline:
                os.killpg(self.pid, signal.SIGKILL)
                time.sleep(0.01)
        return -signal.SIGKILL


class ForkServer:
    """Starts the server, starts it again when it has died, and asks it for trainers."""

    def __init__(self, *, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        # Short, since the path of a socket may have 100 characters only, and ours alone.
        self._folder = Path(tempfile.mkdtemp(prefix="cellgate-fork-"))
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = float("-inf")

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the server unless it runs, or died just now.

        Args:
            environment: Its whole environment; each trainer brings its own.
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
        """Return a started trainer; None when the server does not get ready in time: start it cold, then.

        Args:
            arguments: Of `python -m trainers`.
            environment: Of the trainer, whole.
            stdin: Descriptor of its standard input.
            output: Descriptor of its standard output and error.
            patience_s: How long to wait for a server that is still importing.

        Raises:
            ForkServerLost: It broke off after it was asked.
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
            raise ForkServerLost(f"the fork server broke off: {error}") from error
        return WarmTrainer(pid, connection)

    def close(self) -> None:
        """End the server, and with it its trainers."""
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
        OSError: The server went away, or says nothing.
    """
    line = b""
    while not line.endswith(b"\n"):
        # One by one: what follows the line belongs to whoever waits for the exit code.
        said = connection.recv(1)
        if not said:
            raise ConnectionResetError("the fork server closed the connection")
        line += said
    return line
