"""One trainer process: its own process group, a lifeline on its standard input, its output in a file, a fuse."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

OUTPUT_NAME = "output.log"


class TrainerProcess:
    """A started trainer.

    Args:
        command: Program and arguments.
        folder: Where its standard output and error go, into `output.log`.
        environment: Its whole environment.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        with (folder / OUTPUT_NAME).open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(environment),
                # A group of its own: what it starts ends with it.
                start_new_session=True,
            )
        if self._process.stdin is not None:
            # A trainer that does not read must not hold up whoever keeps its lease.
            os.set_blocking(self._process.stdin.fileno(), False)

    @property
    def pid(self) -> int:
        """The process's id, which is also its group's."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code, negative for the signal that killed it; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end at most so long; return its exit code, or None."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def say_alive(self) -> None:
        """Write to its lifeline: the lease holds, go on."""
        if self._process.stdin is not None:
            with suppress(OSError, ValueError):
                self._process.stdin.write(b"ok\n")

    def ask_to_stop(self) -> None:
        """SIGTERM: save a checkpoint and end."""
        self._signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """SIGKILL to the whole group, also when only grandchildren are left; returns at once."""
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL to the whole group; returns when the trainer is gone."""
        self.kill_group()
        self._process.wait()

    def close(self) -> None:
        """Close the lifeline."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class Fuse:
    """Kills a trainer once its lease was not renewed in time, whatever its supervisor is waiting for meanwhile.

    Args:
        process: What to kill.
        burns_s: Seconds from a renewal to the end.
        lit_at: When the lease began, by `time.monotonic()`.
    """

    def __init__(self, process: TrainerProcess, *, burns_s: float, lit_at: float) -> None:
        self._process = process
        self._burns_s = burns_s
        self._deadline = lit_at + burns_s
        self._out = threading.Event()
        self._blown = threading.Event()
        self._thread = threading.Thread(target=self._burn, name="fuse", daemon=True)
        self._thread.start()

    @property
    def blown(self) -> bool:
        """Whether it was too late."""
        return self._blown.is_set()

    def renew(self, at: float) -> None:
        """Start afresh from `at`, by `time.monotonic()`."""
        self._deadline = at + self._burns_s

    def put_out(self) -> None:
        """Kill nothing any more."""
        self._out.set()
        self._thread.join()

    def _burn(self) -> None:
        while not self._out.wait(max(0.0, self._deadline - time.monotonic())):
            if time.monotonic() >= self._deadline:
                self._blown.set()
                self._process.kill_group()
                return
