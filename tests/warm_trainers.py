"""Trainers that the product's own fork server starts: `python -m trainers` without its seconds of imports."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from worker.fork_server import ForkServerProcess, WarmTrainer

# The server imports for some seconds, and longer on a busy machine.
PATIENCE_S = 240.0
WAIT_S = 240.0


class WarmProcess:
    """A started trainer, with what tests ask of a `subprocess.Popen[str]`.

    Args:
        trainer: As the fork server started it.
        output: A file that receives its standard output and error, in one.
    """

    def __init__(self, trainer: WarmTrainer, output: IO[bytes]) -> None:
        self._trainer = trainer
        self._output = output
        self._printed = ""
        self.args: list[str] = []
        self.returncode: int | None = None

    @property
    def pid(self) -> int:
        """Of the trainer."""
        return self._trainer.pid

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self._wait(0)

    def communicate(self, timeout: float = WAIT_S) -> tuple[str, str]:
        """Wait for its end; return nothing and all that it printed, as a process whose output is an error's would.

        Raises:
            subprocess.TimeoutExpired: It has not ended in time; it was killed.
        """
        if self._wait(timeout) is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout)
        return "", self._printed

    def _wait(self, timeout_s: float) -> int | None:
        if self.returncode is None:
            self.returncode = self._trainer.wait(timeout_s)
            if self.returncode is not None:
                self._trainer.close()
                self._output.seek(0)
                self._printed = self._output.read().decode()
                self._output.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class WarmTrainers:
    """Starts trainers by a fork server."""

    def __init__(self, server: ForkServerProcess) -> None:
        self._server = server

    def server(self) -> ForkServerProcess:
        """Return the fork server, started."""
        self._server.start(_one_thread())
        return self._server

    def start(self, *arguments: str, stdin: int | None = None) -> WarmProcess:
        """Return the running trainer of a command line; it computes in one thread.

        Args:
            stdin: File descriptor that it reads from; null gives it nothing to read.
        """
        environment = _one_thread()
        self._server.start(environment)
        # The process closes it when it has ended.
        output = tempfile.TemporaryFile()  # noqa: SIM115
        with open(os.devnull, "rb") as nothing:
            trainer = self._server.fork(
                arguments,
                environment=environment,
                stdin=nothing.fileno() if stdin is None else stdin,
                output=output.fileno(),
                patience_s=PATIENCE_S,
            )
        if trainer is None:
            raise RuntimeError(f"the fork server was not ready after {PATIENCE_S:g} s")
        process = WarmProcess(trainer, output)
        process.args = list(arguments)
        return process

    def run(self, *arguments: str, timeout: float = WAIT_S) -> "subprocess.CompletedProcess[str]":
        """Run a command line to its end; `stderr` has all that it printed."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout)
        assert process.returncode is not None
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@contextmanager
def warm_trainers() -> Iterator[WarmTrainers]:
    """Yield what starts trainers warm; its server ends with the block, and imports nothing before the first trainer."""
    server = ForkServerProcess()
    try:
        yield WarmTrainers(server)
    finally:
        server.close()
