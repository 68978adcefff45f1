"""One trainer process: its own process group, a heartbeat pipe on standard input, output in a file, a watchdog."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cellgate.contract.artifacts import OUTPUT_NAME

KILL_AGAIN_S = 1.0


class Trainer(Protocol):
    """A started process: a child of this one, or of the fork server."""

    pid: int

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end, at most `timeout_s`; return the exit code, negative for a signal, or None."""
        ...

    def close(self) -> None:
        """Release the resources that waiting for it needs."""
        ...


class ColdTrainer:
    """A trainer that is a child of this process and imports everything itself."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid = process.pid

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end, at most `timeout_s`; return the exit code, negative for a signal, or None."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Do nothing: a child process holds no other resource."""


def start_cold(
    command: Sequence[str], *, stdin: int, output: int, environment: Mapping[str, str], folder: Path
) -> ColdTrainer:
    """Start a trainer as a process of its own.

    Args:
        command: Program and arguments.
        stdin: Descriptor of its standard input.
        output: Descriptor of its standard output and error.
        environment: Its whole environment.
        folder: Its working directory: elsewhere a folder might lie that has the name of a model on the hub.

    Raises:
        OSError: It cannot be started.
    """
    process = subprocess.Popen(
        list(command),
        stdin=stdin,
        stdout=output,
        stderr=output,
        env=dict(environment),
        cwd=folder,
        # A group of its own: what it starts ends with it.
        start_new_session=True,
    )
    return ColdTrainer(process)


class TrainerProcess:
    """A trainer under supervision: its heartbeat pipe, and the signals to its group.

    Args:
        start: Starts the trainer, given the descriptors of its standard input and of its output.
        folder: Its standard output and error go into `output.log` there.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, start: Callable[[int, int], Trainer], *, folder: Path) -> None:
        stdin, self._heartbeat_pipe = os.pipe()
        # A trainer that does not read must not hold up whoever keeps its lease.
        os.set_blocking(self._heartbeat_pipe, False)
        try:
            with (folder / OUTPUT_NAME).open("ab") as output:
                self._trainer = start(stdin, output.fileno())
        except BaseException:
            os.close(self._heartbeat_pipe)
            raise
        finally:
            os.close(stdin)
        self._exit_code: int | None = None

    @property
    def pid(self) -> int:
        """The process's id, which is also its group's."""
        return self._trainer.pid

    def exit_code(self) -> int | None:
        """Return the exit code, negative for the signal that killed it; None while it runs."""
        return self.wait(0)

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end, at most `timeout_s`; return the exit code, or None."""
        if self._exit_code is None:
            self._exit_code = self._trainer.wait(timeout_s)
        return self._exit_code

    def send_heartbeat(self) -> None:
        """Write to the heartbeat pipe: the lease is held, go on."""
        with suppress(OSError):
            os.write(self._heartbeat_pipe, b"ok\n")

    def ask_to_stop(self) -> None:
        """Send SIGTERM: the trainer saves a checkpoint and ends."""
        self._signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """Send SIGKILL to the whole group, also when only grandchildren are left; return at once."""
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """Send SIGKILL to the whole group and return when the trainer is gone."""
        self.kill_group()
        while self.wait(KILL_AGAIN_S) is None:
            self.kill_group()

    def close(self) -> None:
        """Close the heartbeat pipe, once; the trainer must have ended."""
        os.close(self._heartbeat_pipe)
        self._trainer.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._trainer.pid, number)


class Watchdog:
    """Kills a trainer whose lease was not renewed in time, even while its supervisor is blocked.

    Args:
        process: The trainer to kill.
        timeout_s: Seconds from a renewal to the kill.
        started_at: When the lease began, by `time.monotonic()`.
    """

    def __init__(self, process: TrainerProcess, *, timeout_s: float, started_at: float) -> None:
        self._process = process
        self._timeout_s = timeout_s
        self._deadline = started_at + timeout_s
        self._stopped = threading.Event()
        self._expired = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    @property
    def expired(self) -> bool:
        """Whether the timeout passed and the trainer was killed."""
        return self._expired.is_set()

    def renew(self, at: float) -> None:
        """Restart the timeout from `at`, by `time.monotonic()`."""
        self._deadline = at + self._timeout_s

    def stop(self) -> None:
        """Stop the watchdog: it kills nothing any more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(max(0.0, self._deadline - time.monotonic())):
            if time.monotonic() >= self._deadline:
                self._expired.set()
                self._process.kill_group()
                return
