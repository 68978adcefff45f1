"""Running out of memory, on the host or on the device, as one thing."""

import torch

from trainers.engine.environment import peak_host_bytes
from trainers.results import Memory


def release_memory(device: torch.device) -> None:
    """Give cached blocks back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak_memory(device: torch.device) -> Memory:
    """Return the process's peak memory so far."""
    device_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Memory(host_bytes=peak_host_bytes(), device_bytes=device_bytes)
