"""How long a submitted job takes to start and to end, and how fast many of them are worked off."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers.peer import Peer
from bench.peers.settings import BenchSettings
from bench.peers.timing import Latencies, latencies_of

JOB_TIMEOUT_S = 240.0
JOBS_AT_ONCE = 20
SUBMITTING_CLIENTS = 4


class JobLost(RuntimeError):
    """A job did not start, or did not end, within the time limit."""


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Many jobs submitted at once.

    Args:
        jobs: How many.
        submitted_s: Until the last one was accepted.
        all_started_s: Until the last one had started.
        all_ended_s: Until the last one was seen to have ended; None if some did not.
        unfinished: How many did not end.
    """

    jobs: int
    submitted_s: float
    all_started_s: float | None
    all_ended_s: float | None
    unfinished: int


@dataclass(frozen=True, kw_only=True)
class ExecutionTimings:
    """Of jobs, each a short process.

    Args:
        first_start_s: The first job, from submit to start.
        start: The next ones, from submit to the first line of the job.
        accept: From submit to the server's answer.
        end: From submit until the server reports that the job has ended.
        burst: Jobs at once.
    """

    first_start_s: float
    start: Latencies | None
    accept: Latencies | None
    end: Latencies | None
    burst: Burst


def start_time(marks: Path, tag: str) -> float | None:
    """Return when the job of a tag started, in seconds since the epoch; None if it has not."""
    try:
        text = (marks / tag).read_text()
    except OSError:
        return None
    return float(text) if text.endswith("\n") else None


class ExecutionMeter:
    """Measures one running peer with workers.

    Args:
        peer: With its workers started.
        settings: How many jobs to submit, and where they mark their start.
    """

    def __init__(self, peer: Peer, settings: BenchSettings) -> None:
        self._peer, self._settings = peer, settings

    async def measure(self) -> ExecutionTimings:
        """Run one job, then some one after another, then many at once.

        Raises:
            JobLost: One of the single jobs did not start or end.
        """
        client = self._peer.client()
        first_start_s, _, _ = await self._single(self._tag())
        took = []
        for _ in range(self._settings.scaled(self._peer.traits.start_latency_jobs)):
            # Off the beat of servers that poll.
            await asyncio.sleep(random.uniform(0.1, 0.6))
            took.append(await self._single(self._tag()))
        burst = await self._burst(self._settings.scaled(JOBS_AT_ONCE))
        client.close()
        return ExecutionTimings(
            first_start_s=first_start_s,
            start=latencies_of([start for start, _, _ in took]),
            accept=latencies_of([accept for _, accept, _ in took]),
            end=latencies_of([end for _, _, end in took]),
            burst=burst,
        )

    def _tag(self) -> str:
        return f"{self._peer.traits.name}-{random.randrange(10**12)}"

    async def _single(self, tag: str) -> tuple[float, float, float]:
        """Return the seconds from submit until a job has started, was accepted and has ended."""
        client = self._peer.client()
        begun = time.time()
        job = await self._peer.submit_job(client, tag)
        accepted = time.time()
        started = await self._await_start(tag)
        deadline = begun + JOB_TIMEOUT_S
        while not await self._peer.is_finished(client, job):
            if time.time() > deadline:
                raise JobLost(f"{self._peer.traits.name}: job {job} has not ended after {JOB_TIMEOUT_S:g} s")
            await asyncio.sleep(0.01)
        ended = time.time()
        client.close()
        return started - begun, accepted - begun, ended - begun

    async def _await_start(self, tag: str) -> float:
        deadline = time.time() + JOB_TIMEOUT_S
        while time.time() < deadline:
            if (started := start_time(self._settings.marks, tag)) is not None:
                return started
            await asyncio.sleep(0.003)
        raise JobLost(f"{self._peer.traits.name}: a job has not started after {JOB_TIMEOUT_S:g} s")

    async def _burst(self, jobs: int) -> Burst:
        tags = [self._tag() for _ in range(jobs)]
        ids: dict[str, str] = {}

        async def submit(part: Sequence[str]) -> None:
            client = self._peer.client()
            for tag in part:
                ids[tag] = await self._peer.submit_job(client, tag)
            client.close()

        begun = time.time()
        await asyncio.gather(*(submit(tags[first::SUBMITTING_CLIENTS]) for first in range(SUBMITTING_CLIENTS)))
        submitted = time.time()
        unfinished = await self._await_ends(set(ids.values()))
        ended = time.time()
        starts = [start for tag in tags if (start := start_time(self._settings.marks, tag)) is not None]
        return Burst(
            jobs=jobs,
            submitted_s=submitted - begun,
            all_started_s=max(starts) - begun if len(starts) == jobs else None,
            all_ended_s=None if unfinished else ended - begun,
            unfinished=unfinished,
        )

    async def _await_ends(self, jobs: set[str]) -> int:
        """Return how many have not ended within the time limit."""
        client = self._peer.client()
        deadline = time.time() + JOB_TIMEOUT_S
        while jobs and time.time() < deadline:
            for job in list(jobs):
                if await self._peer.is_finished(client, job):
                    jobs.discard(job)
            if jobs:
                await asyncio.sleep(0.1)
        client.close()
        return len(jobs)
