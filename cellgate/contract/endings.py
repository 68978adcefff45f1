"""How a command of ours ends when a person stops it, or stops reading: with its exit code, and without a traceback."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cellgate.contract.exit_codes import CommandExit


@contextmanager
def quiet_endings() -> Iterator[None]:
    """End the process on Ctrl-C with 130, and where nobody reads its output any more with 141; both without a word.

    Put the imports of what runs into the block as well: they take most of a command's first half second.
    """
    try:
        try:
            yield
        finally:
            # What is still buffered meets a closed pipe here, not when the interpreter ends.
            sys.stdout.flush()
    except KeyboardInterrupt:
        # A second Ctrl-C may come while the interpreter ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leave_output()
        raise SystemExit(CommandExit.INTERRUPTED) from None
    except BrokenPipeError:
        leave_output()
        raise SystemExit(CommandExit.UNREAD) from None


def leave_output() -> None:
    """Let what is still buffered go nowhere: the interpreter flushes it at its end, and would complain."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
