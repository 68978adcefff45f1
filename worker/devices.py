"""The GPUs of a worker, each lent to one run at a time. `nvidia-smi` lists them: only trainers load CUDA."""

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
    """A pool of GPUs.

    Args:
        gpus: As CUDA_VISIBLE_DEVICES names them; a GPU that is named twice is lent twice. Empty: runs use the CPU.
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
        """Yield the GPU of one run, None on the CPU; it is lent again once the run's memory is free.

        Raises:
            queue.Empty: More runs need a GPU than `slots` allows.
        """
        if not self.gpus:
            yield None
            return
        gpu = self._free.get_nowait()
        # nvidia-smi reports the memory of a GPU, not whose it is: useless for a GPU that two runs share.
        held = used_bytes(gpu) if self.gpus.count(gpu) == 1 else None
        try:
            yield gpu
        finally:
            _wait_until_free(gpu, held)
            self._free.put(gpu)


def find_devices(settings: Settings) -> Devices:
    """Return the GPUs that the settings name, or else all that this process may see."""
    if settings.device == "cpu":
        return Devices()
    if settings.gpus is not None:
        return Devices(settings.gpus)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return Devices([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return Devices((_query("--query-gpu=uuid") or "").split())


def model_of(gpu: str) -> str | None:
    """Return the model of a GPU, such as `NVIDIA H200`; None if `nvidia-smi` does not report it."""
    return (_query("--query-gpu=name", f"--id={gpu}") or "").strip() or None


def used_bytes(gpu: str) -> int | None:
    """Return the memory in use on a GPU, in bytes; None if `nvidia-smi` does not report it."""
    output = _query("--query-gpu=memory.used", f"--id={gpu}")
    if output is None or not output.split()[:1] or not output.split()[0].isdigit():
        return None
    return int(output.split()[0]) << 20


def _wait_until_free(gpu: str, held: int | None) -> None:
    """Wait until a GPU has no more memory in use than before its run, at most FREE_TIMEOUT_S."""
    deadline = time.monotonic() + FREE_TIMEOUT_S
    while held is not None and (used := used_bytes(gpu)) is not None and used > held:
        if time.monotonic() > deadline:
            log.warning("gpu_memory_not_freed", gpu=gpu, used_bytes=used, before_bytes=held)
            return
        time.sleep(FREE_POLL_S)


def _query(*arguments: str) -> str | None:
    """Return the output of nvidia-smi; None if it is not installed or fails."""
    try:
        done = subprocess.run(
            [SMI, *arguments, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=SMI_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
