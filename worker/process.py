"""One trainer process: its own process group, a lifeline on its standard input, its output in a file."""

import os
import signal
import subprocess
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
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(environment),
                # A group of its own: what it starts ends with it.
                start_new_session=True,
            )

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
                self._process.stdin.flush()

    def ask_to_stop(self) -> None:
        """SIGTERM: save a checkpoint and end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group, also when only grandchildren are left."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Close the lifeline."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
