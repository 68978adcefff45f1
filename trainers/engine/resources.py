"""What a run takes of its machine, as curves: CPU, memory, and those of the GPU where one is used.

A sample is taken only where the run writes an event or passes a batch: a run that hangs gives no sign of life.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from cellgate.contract.events import EventKind, EventWriter

EVERY_S = 5.0
# Of a long run seldom enough for some hundreds of points.
POINTS = 200
CPU, MEMORY = "resource/cpu_percent", "resource/memory_bytes"
GPU, GPU_MEMORY = "resource/gpu_percent", "resource/gpu_memory_bytes"
Measure = Callable[[], Mapping[str, float]]


class SampledEvents(EventWriter):
    """An event file that also takes samples of the process, between its events.

    The step of a sample is the number of seconds that the process has been at work.

    Args:
        path: As for `EventWriter`.
        last: As for `EventWriter`.
        measure: Returns the values of a sample; default: those of this process.
        seconds: Returns seconds that never go back.
    """

    def __init__(
        self,
        path: Path,
        *,
        last: int = 0,
        measure: Measure | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(path, last=last)
        self._measure = measure or ProcessSampler().sample
        self._seconds = seconds
        self._begun = seconds()
        self._next = self._begun + EVERY_S

    def write(self, kind: EventKind, **fields: object) -> None:
        """Append one event, and before it a sample where one is due.

        Raises:
            ValueError: A field is NaN or Inf.
        """
        # Before, so that `finished` and `failed` stay the last lines.
        self.tick()
        super().write(kind, **fields)

    def tick(self) -> None:
        """Append a sample where one is due."""
        now = self._seconds()
        if now < self._next:
            return
        at_work_s = now - self._begun
        self._next = now + max(EVERY_S, at_work_s / POINTS)
        if values := self._measure():
            super().write(EventKind.METRIC, step=int(at_work_s), values=dict(values))


class ProcessSampler:
    """Measures this process with the processes that it has started."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._at = time.monotonic()
        self._cpu_s = self._cpu_used_s([])
        self._gpu_percent: Callable[[], float] | None = _gpu_percent

    def sample(self) -> dict[str, float]:
        """Return CPU since the last sample (100: one core at work all the time), memory now, and the GPU's where used.

        What the system does not tell is left out: a sample is no reason for a run to fail.
        """
        with suppress(OSError, psutil.Error):
            children = _children()
            now, cpu_s = time.monotonic(), self._cpu_used_s(children)
            values = {
                # A child that ends between two looks takes some of its time with it.
                CPU: max(0.0, round(100 * (cpu_s - self._cpu_s) / max(now - self._at, 1e-9), 1)),
                MEMORY: float(self._process.memory_info().rss + sum(_memory_bytes(child) for child in children)),
            }
            self._at, self._cpu_s = now, cpu_s
            return values | self._gpu()
        return {}

    def _cpu_used_s(self, children: list[psutil.Process]) -> float:
        own = os.times()
        ended_s = own.children_user + own.children_system
        return own.user + own.system + ended_s + sum(_cpu_s(child) for child in children)

    def _gpu(self) -> dict[str, float]:
        torch = _torch_with_gpu()
        if torch is None:
            return {}
        values = {GPU_MEMORY: float(torch.cuda.memory_reserved())}
        if self._gpu_percent is not None:
            try:
                values[GPU] = self._gpu_percent()
            # Its driver library is not there, or does not tell; asked once, it is not asked again.
            except (ImportError, RuntimeError, OSError, ValueError):
                self._gpu_percent = None
        return values


def _torch_with_gpu() -> Any:
    """Return torch where this process computes on a GPU: to ask for one would take its memory."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def _gpu_percent() -> float:
    """Return the share of the last moments in which the GPU computed, in percent.

    Raises:
        ImportError: nvidia-ml-py is not installed.
        RuntimeError: The driver does not tell.
    """
    return float(sys.modules["torch"].cuda.utilization())


def _children() -> list[psutil.Process]:
    """Return the processes that this thread has started; none where the system has no list of them.

    Source:
        Linux, Documentation/filesystems/proc.rst, section 3.7: a look at every process would cost milliseconds.
    """
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split():
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(int(child)))
    return found


def _cpu_s(child: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = child.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _memory_bytes(child: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(child.memory_info().rss)
    return 0
