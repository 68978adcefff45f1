"""Run a command that ends when its parent does (Linux)."""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def die_with_parent(command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` and has the kernel end it when the parent dies."""
    # This file by its path: no folder or setting of the user's decides what is imported.
    return [sys.executable, "-P", os.path.abspath(__file__), *command]


def main() -> None:
    """Request SIGTERM from the kernel at the parent's death, then exec the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
