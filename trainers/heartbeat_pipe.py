"""Ends a supervised trainer when its supervisor is gone.

The supervisor writes a line to the trainer's standard input after each renewal of its lease. At end of file, or
when no line comes for `timeout_s`, the trainer ends itself at once: another worker may have taken over.
"""

import os
import select
import sys
import threading

from cellgate.contract.exit_codes import ExitCode


def watch_heartbeat(timeout_s: float, descriptor: int | None = None) -> None:
    """Start a daemon thread that ends this process when the heartbeat pipe breaks.

    Args:
        timeout_s: Seconds without a line after which the supervisor counts as lost.
        descriptor: What to read; standard input by default.
    """
    source = sys.stdin.fileno() if descriptor is None else descriptor

    def watch() -> None:
        try:
            while select.select([source], [], [], timeout_s)[0] and os.read(source, 4096):
                pass
        finally:
            # No clean-up: an attempt that lost its lease must change nothing more. And whatever else ends the watch
            # ends the trainer too: unwatched it could go on beside the next attempt.
            os._exit(ExitCode.INTERRUPTED)

    threading.Thread(target=watch, name="heartbeat", daemon=True).start()
