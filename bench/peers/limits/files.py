"""How long the disk takes to keep 4 KiB, and the standard library to write and read 10,000 points as JSON."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers.settings import BenchSettings
from bench.peers.timing import latencies_of

BLOCK = b"x" * 4096
WRITES = 300
POINTS = 10_000


def measure(folder: Path, settings: BenchSettings) -> dict[str, Any]:
    """Return the limits."""
    syncs = latencies_of(_syncs(folder / "blocks", settings.scaled(WRITES)))
    points = [{"key": "loss", "value": 0.5 + step, "timestamp": 1.7e12 + step, "step": step} for step in range(POINTS)]
    begun = time.perf_counter()
    text = json.dumps(points)
    written = time.perf_counter()
    json.loads(text)
    read = time.perf_counter()
    return {
        "fdatasync of 4 KiB": None if syncs is None else asdict(syncs),
        f"JSON of {POINTS} points": {
            "size_bytes": len(text),
            "dumps_ms": 1000 * (written - begun),
            # Part of every peer's time to read that many points.
            "loads_ms": 1000 * (read - written),
        },
    }


def _syncs(path: Path, writes: int) -> list[float]:
    took = []
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for _ in range(writes):
        os.write(file, BLOCK)
        begun = time.perf_counter()
        os.fdatasync(file)
        took.append(time.perf_counter() - begun)
    os.close(file)
    return took
