"""How long the trivial job takes when nothing but a shell of a server starts it."""

import os
import subprocess
import time
import uuid
from dataclasses import asdict
from typing import Any

from bench.peers.measurements.execution import JOBS_AT_ONCE, start_time
from bench.peers.settings import PROGRAMS, BenchSettings
from bench.peers.timing import latencies_of

SINGLE_JOBS = 40
SLOTS = 2


def measure(settings: BenchSettings) -> dict[str, Any]:
    """Return the limits."""
    starts, ends = [], []
    for _ in range(settings.scaled(SINGLE_JOBS)):
        tag, begun = _tag(), time.time()
        _start(settings, tag).wait()
        ends.append(time.time() - begun)
        if (started := start_time(settings.marks, tag)) is not None:
            starts.append(started - begun)
    return {
        "until the job's first line": _summary(starts),
        "until the job has ended": _summary(ends),
        f"{JOBS_AT_ONCE} jobs, {SLOTS} at a time, s": _many(settings),
    }


def _summary(took: list[float]) -> dict[str, Any] | None:
    latencies = latencies_of(took)
    return None if latencies is None else asdict(latencies)


def _tag() -> str:
    return f"limit-{uuid.uuid4().hex}"


def _start(settings: BenchSettings, tag: str) -> "subprocess.Popen[bytes]":
    command = [str(settings.job_python), str(PROGRAMS / "job.py"), tag]
    environment = os.environ | {"PEERS_MARKS": str(settings.marks)}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


def _many(settings: BenchSettings) -> float:
    begun = time.time()
    jobs: list[subprocess.Popen[bytes]] = []
    for _ in range(JOBS_AT_ONCE):
        while sum(job.poll() is None for job in jobs) >= SLOTS:
            time.sleep(0.0005)
        jobs.append(_start(settings, _tag()))
    for job in jobs:
        job.wait()
    return time.time() - begun
