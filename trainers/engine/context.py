"""The context of a run: its output folder, its events, and whether it must stop."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from cellgate.contract.errors import InterruptedRun
from cellgate.contract.events import EventKind, EventWriter


@dataclass(kw_only=True)
class EvaluationBackoff:
    """How evaluation splits its batches after memory ran out, for the rest of the run; training has its own count.

    Args:
        parts: In how many parts each batch is computed.
    """

    parts: int = 1


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One process working on one run.

    Args:
        out: The output folder.
        events: Where events are written.
        spec_hash: `sha256:` and 64 hex digits.
        started_at: Seconds since the epoch.
        resume: A checkpoint folder, perhaps of another attempt; null starts at the beginning.
        stop: Set when the run must stop.
        timings_s: Seconds per phase, filled by `phase`.
        evaluation: Changed by `infer` when memory runs out.
        begun: When it began, by the monotonic clock.
    """

    out: Path
    events: EventWriter
    spec_hash: str
    started_at: float
    resume: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    timings_s: dict[str, float] = field(default_factory=dict)
    evaluation: EvaluationBackoff = field(default_factory=EvaluationBackoff)
    begun: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce a phase and take its time; a phase that comes again adds to it.

        Raises:
            InterruptedRun: The run had to stop before the phase began.
        """
        self.raise_if_stopped()
        self.events.write(EventKind.PHASE, phase=name)
        begun = time.monotonic()
        try:
            yield
        finally:
            self.timings_s[name] = self.timings_s.get(name, 0.0) + time.monotonic() - begun

    def raise_if_stopped(self) -> None:
        """End a phase that has nothing worth a checkpoint.

        Raises:
            InterruptedRun: The run had to stop.
        """
        if self.stop.is_set():
            raise InterruptedRun("stopped outside training: nothing new to save; start again, or resume as before")


def stop_on_signals(stop: threading.Event, *, at_once: bool) -> None:
    """Let SIGTERM and SIGINT request a stop.

    Args:
        stop: Set by the first signal; whoever looks at it saves a checkpoint and ends.
        at_once: Raise KeyboardInterrupt too, for work that has no checkpoint and never looks.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        is_second = stop.is_set()
        stop.set()
        if at_once or (is_second and number == signal.SIGINT):
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
