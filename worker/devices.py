"""The GPUs of a worker, each lent to one run at a time. Known by `nvidia-smi`: CUDA is left to the trainers."""

import os
import queue
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from service.settings import Settings

SMI = "nvidia-smi"
SMI_TIMEOUT_S = 10.0
# A process that was killed may hold its memory for a moment longer.
FREE_TIMEOUT_S = 10.0
FREE_POLL_S = 0.2
log = structlog.get_logger(__name__)


class Devices:
    """What the runs of a worker compute on.

    Args:
        gpus: As CUDA_VISIBLE_DEVICES names them; one that is named twice is lent twice. Empty: runs use the CPU.
    """

    def __init__(self, gpus: Sequence[str] = ()) -> None:
        self.gpus = tuple(gpus)
        self._free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for gpu in gpus:
            self._free.put(gpu)

    def slots(self, wanted: int) -> int:
        """Return how many runs fit at once: at most `wanted`, and no more than there are GPUs to lend."""
        return min(wanted, len(self.gpus)) if self.gpus else wanted

    @contextmanager
    def lend(self) -> Iterator[str | None]:
        """Yield the GPU of one run, null on the CPU; it is lent again once the run's memory is free.

        Raises:
            queue.Empty: More runs than `slots` allows.
        """
        if not self.gpus:
            yield None
            return
        gpu = self._free.get_nowait()
        # Of a GPU that is shared, nobody can tell whose memory it is.
        held = used_bytes(gpu) if self.gpus.count(gpu) == 1 else None
        try:
            yield gpu
        finally:
            _wait_until_free(gpu, held)
            self._free.put(gpu)


def find_devices(settings: Settings) -> Devices:
    """Return what the settings name, or else every GPU that this process may see."""
    if settings.device == "cpu":
        return Devices()
    if settings.gpus is not None:
        return Devices(settings.gpus)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return Devices([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return Devices((_ask("--query-gpu=uuid") or "").split())


def used_bytes(gpu: str) -> int | None:
    """Return the memory that is in use on a GPU; null when nobody can tell."""
    said = _ask("--query-gpu=memory.used", f"--id={gpu}")
    if said is None or not said.split()[:1] or not said.split()[0].isdigit():
        return None
    return int(said.split()[0]) << 20


def _wait_until_free(gpu: str, held: int | None) -> None:
    """Wait until a GPU has no more memory in use than before its run, for a while."""
    deadline = time.monotonic() + FREE_TIMEOUT_S
    while held is not None and (used := used_bytes(gpu)) is not None and used > held:
        if time.monotonic() > deadline:
            log.warning("gpu_memory_not_freed", gpu=gpu, used_bytes=used, before_bytes=held)
            return
        time.sleep(FREE_POLL_S)


def _ask(*question: str) -> str | None:
    """Return what nvidia-smi answers; null when it is not there, or has no answer."""
    try:
        done = subprocess.run(
            [SMI, *question, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=SMI_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
