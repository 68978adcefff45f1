"""Predicted memory and disk of a whole run, from a smoke test with its worst batch."""

from dataclasses import dataclass
from pathlib import Path

import torch

from cellgate.contract.results import Check, Memory, PreflightVerdict
from trainers.data.dataset import Dataset
from trainers.engine.finish import EVALUATED
from trainers.engine.memory import resident_bytes
from trainers.preflight.checks import make_check

TIGHT = 0.8
FLOAT_BYTES = 4
CLASSES = 2
# Of one function's predictions beside its numbers: id, label, row.
ROW_BYTES = 64
# A checkpoint is written whole before the one it replaces goes.
CHECKPOINTS = 2


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one run takes at its peak, in bytes.

    Args:
        libraries: Of the host, before anything is loaded.
        training: Of the host: model, optimizer, best weights, checkpoint and worst batch, as in the smoke test.
        data: Of the host, by files that a run reads to their end and the smoke test did not.
        predictions: Of the host and of the disk, by the predictions of all splits.
        device: Of the device, as in the smoke test.
        checkpoint: Of the disk.
    """

    libraries: int
    training: int
    data: int
    predictions: int
    device: int
    checkpoint: int

    @property
    def host(self) -> int:
        """All that is held in host memory."""
        return self.libraries + self.training + self.data + self.predictions

    @property
    def disk(self) -> int:
        """All that lies in the output folder at once; the model is of about a checkpoint's size."""
        return CHECKPOINTS * self.checkpoint + self.predictions


def engine_bytes() -> int:
    """Return the bytes of a process that has loaded the training engine and no data yet."""
    weight = torch.nn.Parameter(torch.zeros(1))
    # torch loads its compiler, of 70 MB, with the first optimizer.
    optimizer = torch.optim.AdamW([weight], fused=True)
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return resident_bytes()


def prediction_bytes(dataset: Dataset, *, embedding_width: int) -> int:
    """Return the size of the predictions of all splits, and of the largest once more while it is put in order."""
    per_row = ROW_BYTES + FLOAT_BYTES * (CLASSES + embedding_width)
    rows = [len(dataset.rows(split)) for split in EVALUATED]
    return per_row * (sum(rows) + max(rows))


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_memory(cell: str, need: Need, available: Memory) -> Check:
    """Return whether a run fits into host and device.

    Args:
        cell: Its name, which the check's name begins with.
        need: Bytes that a run is predicted to take.
        available: Bytes that it may take at most.
    """
    host, device = _share(need.host, available.host_bytes), _share(need.device, available.device_bytes)
    detail = (
        f"{_size(need.host)} of host memory predicted ({_size(need.libraries)} libraries, {_size(need.training)} "
        f"model, optimizer, copies and worst batch, {_size(need.data + need.predictions)} data and predictions), "
        f"{_size(available.host_bytes)} available"
    )
    if need.device or available.device_bytes:
        detail += f"; {_size(need.device)} of device memory, {_size(available.device_bytes)} available"
    fix = "lower batch_size (raise accumulation), max_tokens or the model's size, or use a larger machine"
    return make_check(f"{cell}_memory", _verdict(max(host, device)), detail, fix=fix)


def check_disk(cell: str, need: Need, free: int) -> Check:
    """Return whether a run's checkpoints and predictions fit onto the disk.

    Args:
        cell: Its name, which the check's name begins with.
        need: Bytes that a run is predicted to write.
        free: Bytes that are free on the disk.
    """
    detail = f"{_size(need.disk)} of disk predicted for checkpoints and predictions, {_size(free)} free"
    return make_check(f"{cell}_disk", _verdict(_share(need.disk, free)), detail, fix="make room")


def _share(needed: int, available: int) -> float:
    if not needed:
        return 0.0
    return needed / available if available else float("inf")


def _verdict(share: float) -> PreflightVerdict:
    return "fail" if share > 1 else "warn" if share > TIGHT else "pass"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
