"""Events of a running trainer: numbered JSON lines in `events.jsonl`, written as they happen.

Each line is `{"n": 1, "t": 1700000000.0, "kind": "progress", …}`: `n` counts from 1 without a gap, `t` is in
seconds since the epoch, and the rest depends on `kind`. A resumed run goes on counting from its checkpoint.
"""

import json
import os
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from cellgate.contract.files import write_bytes


class EventKind(StrEnum):
    """The kinds of line, with their fields."""

    STARTED = "started"  # cell, seed, attempt-independent facts: spec_hash, dataset_id, environment
    PHASE = "phase"  # phase: load | lr_finder | train | evaluate | predict | save | parse | …
    PROGRESS = "progress"  # done, total (steps), epoch, epochs, eta_s
    METRIC = "metric"  # step, values: {key: float}; keys as `train/loss`, `dev/f1`, `grad_norm/head`, `lr/head`
    LR_FINDER = "lr_finder"  # learning_rate, source: finder | cache | fallback | spec, reason, cache_key, curve
    CHECKPOINT = "checkpoint"  # step, path relative to the output folder
    COLLAPSE = "collapse"  # type, component, detail
    BACKOFF = "backoff"  # batch_size, accumulation: after memory ran out
    WARNING = "warning"  # code, message
    FAILED = "failed"  # reason, exit_code, message, problems: [{where, found, expected, fix}], problems_total
    FINISHED = "finished"  # result: the name of the result file


class EventWriter:
    """Appends events to a file, one line each, flushed at once.

    Args:
        path: The file; lines after number `last` are cut off first (a resumed run writes them again).
        last: The number of the last event that is to be kept; 0 starts afresh.
        clock: Seconds since the epoch.
    """

    def __init__(self, path: Path, *, last: int = 0, clock: Callable[[], float] = time.time) -> None:
        kept = path.read_bytes().splitlines(keepends=True)[:last] if last and path.exists() else []
        # Not cut off in place: a kill half-way would take the lines that are to be kept with it.
        write_bytes(path, b"".join(kept))
        self._file = path.open("ab")
        self._clock = clock
        self.last = last

    def write(self, kind: EventKind, **fields: object) -> None:
        """Append one event.

        Raises:
            ValueError: A field is NaN or Inf, which JSON cannot hold: write it as text.
        """
        line = {"n": self.last + 1, "t": self._clock(), "kind": kind.value, **fields}
        self._file.write(json.dumps(line, allow_nan=False, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        self.last += 1

    def tick(self) -> None:
        """Do nothing: called where a phase goes on without an event; a writer that takes samples may take one here."""

    def close(self) -> None:
        """Make what was written durable and close the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
