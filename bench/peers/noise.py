"""How much CPU other programs took meanwhile: measurements wait for quiet, and are repeated when disturbed.

The reading needs a process namespace of the harness's own (`isolated.sh`): only there are all processes that it can see
its own, so that what remains of the machine's busy time is foreign. Elsewhere it is None, and nothing waits.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from bench.peers.timing import RequestTimings

QUIET_CORES = 0.12
UNDISTURBED_CORES = 0.2
LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class CpuReading:
    """CPU seconds so far; `own_s` is None outside a process namespace."""

    at_s: float
    busy_s: float
    own_s: float | None


def read_cpu() -> CpuReading:
    """Return the machine's busy CPU seconds and those of every process that the harness can see."""
    times = psutil.cpu_times()
    busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
    return CpuReading(at_s=time.perf_counter(), busy_s=busy, own_s=_own_cpu_s() if os.getpid() == 1 else None)


def _own_cpu_s() -> float:
    total = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def others_cores(begin: CpuReading, end: CpuReading) -> float | None:
    """Return how many cores other programs kept busy on average; None outside a process namespace."""
    if begin.own_s is None or end.own_s is None:
        return None
    foreign = (end.busy_s - begin.busy_s) - (end.own_s - begin.own_s)
    return max(0.0, foreign / max(1e-6, end.at_s - begin.at_s))


class QuietGate:
    """Waits for a quiet machine, in all no longer than its budget.

    Args:
        budget_s: Seconds that all waits together may take.
    """

    def __init__(self, budget_s: float) -> None:
        self._left_s = budget_s

    async def wait(self, longest_s: float = 4.0) -> float | None:
        """Return the cores that others use, once they are few or the time is over."""
        deadline = time.monotonic() + min(longest_s, self._left_s)
        while True:
            begin = read_cpu()
            if begin.own_s is None:
                return None
            await asyncio.sleep(LOOK_S)
            cores = others_cores(begin, read_cpu())
            if cores is None or cores < QUIET_CORES or time.monotonic() > deadline:
                return cores
            self._left_s -= LOOK_S

    async def least_disturbed(self, measure: Callable[[], Awaitable[RequestTimings]], tries: int = 2) -> RequestTimings:
        """Measure, again if others disturbed it, and return the least disturbed result."""
        results: list[RequestTimings] = []
        for _ in range(tries):
            await self.wait()
            begin = read_cpu()
            timings = await measure()
            timings.others_cpu_cores = others_cores(begin, read_cpu())
            results.append(timings)
            if (timings.others_cpu_cores or 0.0) < UNDISTURBED_CORES:
                break
        return min(results, key=lambda timings: timings.others_cpu_cores or 0.0)
