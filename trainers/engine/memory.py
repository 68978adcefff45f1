"""Memory of host and device: available bytes, and the peak of a block of work."""

import ctypes
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import torch

from cellgate.contract.results import Memory
from trainers.engine.environment import peak_host_bytes

SAMPLE_S = 0.002
CONTROL_GROUPS = Path("/sys/fs/cgroup")


def release_memory(device: torch.device) -> None:
    """Give cached blocks back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak_memory(device: torch.device) -> Memory:
    """Return the process's peak memory so far."""
    device_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Memory(host_bytes=peak_host_bytes(), device_bytes=device_bytes)


def resident_bytes() -> int:
    """Return the bytes of host memory that the process holds now."""
    return int(psutil.Process().memory_info().rss)


def available_memory(device: torch.device) -> Memory:
    """Return the bytes that a run instead of this process may hold: the machine's, or the control group's if less."""
    free = [psutil.virtual_memory().available, *control_group_room(Path("/proc/self/cgroup"), CONTROL_GROUPS)]
    device_bytes = 0
    if device.type == "cuda":
        device_bytes = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    return Memory(host_bytes=resident_bytes() + max(0, min(free)), device_bytes=device_bytes)


def control_group_room(membership: Path, root: Path) -> list[int]:
    """Return the bytes left in each control group around this process that has a limit, versions 1 and 2.

    Args:
        membership: As /proc/self/cgroup.
        root: As /sys/fs/cgroup.

    Source:
        Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst; inactive file pages can be taken back.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    room = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, names, inactive = root / path[1:], ("memory.max", "memory.current"), "inactive_file"
        elif controllers == "memory":
            folder = root / "memory" / path[1:]
            names, inactive = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file"
        else:
            continue
        # Inside a container the path may be the host's: its own group is then at the root.
        groups = [group for group in (folder, *folder.parents) if group.is_relative_to(root)]
        room += [left for group in groups if (left := _left(group, names, inactive)) is not None]
    return room


def _left(group: Path, names: tuple[str, str], inactive: str) -> int | None:
    try:
        limit, used = (int((group / name).read_text()) for name in names)
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit - used + int(statistics.get(inactive, 0))
    except (OSError, ValueError):
        # No limit reads "max"; a group that is not there has none either.
        return None


class MemoryWatch:
    """Measures the bytes that a block of work takes beyond those that the process holds when it begins.

    Attributes:
        host_bytes: Of the host, at the peak.
        device_bytes: Of the device, at the peak, all that was there before included.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._largest = 0
        self.host_bytes = 0
        self.device_bytes = 0

    def __enter__(self) -> Self:
        _give_back_freed()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self._begin, self._mark = resident_bytes(), peak_host_bytes()
        self._largest = self._begin
        self._thread.start()
        return self

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._done.wait(SAMPLE_S):
            self._largest = max(self._largest, process.memory_info().rss)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        # What fell between two samples, where it was the largest ever.
        exact = peak_host_bytes()
        self._largest = max(self._largest, exact if exact > self._mark else 0)
        self.host_bytes = self._largest - self._begin
        self.device_bytes = peak_memory(self._device).device_bytes


def _give_back_freed() -> None:
    """Return freed memory to the system: later allocations would fill it unmeasured."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        # Another libc than glibc keeps no such arenas.
        return
