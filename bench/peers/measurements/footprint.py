"""What a server costs before its first request: cold start, disk, idle memory and CPU."""

import asyncio
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import Peer
from bench.peers.processes import Memory, ProcessTable
from bench.peers.seeding import wait_until_ready

READY_TIMEOUT_S = 180.0
LOOK_EVERY_S = 0.01
IDLE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class VenvSize:
    """Of a virtual environment on disk."""

    mib: float
    packages: int


@dataclass(kw_only=True)
class Footprint:
    """Of a server.

    Args:
        cold_start_s: From starting its processes until it answers.
        venv: None if it has no virtual environment of its own.
        idle_memory: Some seconds after it became ready, before the first request.
        idle_cpu_percent: Of one core, in the seconds after.
        loaded_memory: After the request rows.
        memory_with_workers: Before the first job; None if no jobs are executed.
    """

    cold_start_s: float
    venv: VenvSize | None
    idle_memory: Memory
    idle_cpu_percent: float
    loaded_memory: Memory | None = None
    memory_with_workers: Memory | None = None


async def measure_footprint(peer: Peer, processes: ProcessTable, venv: Path | None, share: float) -> Footprint:
    """Start a peer and measure it before its first request; the peer runs afterwards.

    Args:
        peer: Restored, not started.
        processes: Where its processes are found.
        venv: To measure the size of; None for no measurement.
        share: Of the waiting times.

    Raises:
        RuntimeError: It does not become ready.
    """
    cold_start_s = await _cold_start(peer)
    await asyncio.sleep(peer.traits.idle_settle_s * share)
    cpu_percent = await _cpu_percent(peer, processes, IDLE_S * share)
    return Footprint(
        cold_start_s=cold_start_s,
        venv=None if venv is None else venv_size(venv),
        idle_memory=processes.memory(peer.traits.tags),
        idle_cpu_percent=cpu_percent,
    )


async def _cold_start(peer: Peer) -> float:
    begun = time.perf_counter()
    peer.start()
    await wait_until_ready(peer, READY_TIMEOUT_S, LOOK_EVERY_S)
    return time.perf_counter() - begun


async def _cpu_percent(peer: Peer, processes: ProcessTable, seconds: float) -> float:
    begun, before = time.perf_counter(), processes.cpu_s(peer.traits.tags)
    await asyncio.sleep(seconds)
    return 100 * (processes.cpu_s(peer.traits.tags) - before) / (time.perf_counter() - begun)


def venv_size(folder: Path) -> VenvSize:
    """Return the disk space of a virtual environment and how many distributions it has."""
    du = subprocess.run(["du", "-sk", str(folder)], capture_output=True, text=True, check=True)
    packages = sum(1 for _ in folder.glob("lib/python3*/site-packages/*.dist-info"))
    return VenvSize(mib=int(du.stdout.split()[0]) / 1024, packages=packages)
