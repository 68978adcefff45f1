"""Load and faults for a long time: `python -m tests.faults.soak --minutes 30 [--backend postgres] [--seed 1]`.

Nothing is killed that is measured: the API, the reconcilers and the workers live through all of it, and must neither
grow nor keep descriptors. Prints the growth of each process as JSON; exit code 1 if one grew, died or lost a run.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import get_args

import psutil

from cellgate.client.errors import ClientError
from tests.faults.deployment import LINKED, Backend, Deployment
from tests.faults.faults import FAULTS, possible_in
from tests.faults.judgement import judge
from tests.faults.storm import calm
from tests.faults.workload import Submitter, prepare_dataset, undisturbed

HARMLESS = (
    "kill_trainer",
    "freeze_trainer",
    "cancel_run",
    "limit_files",
    "flush_broker",
    "freeze_broker",
    "fail_over_broker",
    "fill_broker",
    "cut_broker_link",
    "cut_database_link",
    "cut_database",
    "restart_database",
    "forge_notifications",
    "fill_disk",
)
POLLERS = 4
PATHS = ("/v1/runs?limit=50", "/v1/jobs?limit=50", "/v1/queues", "/readyz", "/v1/workers", "/v1/usage?by=cell")
POLL_EVERY_S = 0.1
SAMPLE_EVERY_S = 5.0
# What a process does for the first time in its life takes memory that it keeps.
WARM_UP = 0.3
MOST_GROWTH = 0.10
MOST_NEW_DESCRIPTORS = 5


@dataclass(kw_only=True)
class Series:
    """What one process held over time: seconds, resident MiB, descriptors."""

    pid: int
    at_s: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How one process grew after its warm-up.

    Args:
        resident_mib: Median.
        mib_per_hour: Slope by Theil and Sen: the median of the slopes of all pairs.
        grown: Growth over the time that was looked at, as a share of the median.
        descriptors: Median.
        new_descriptors: Growth over that time.
        restarts: How often it died.
    """

    resident_mib: float
    mib_per_hour: float
    grown: float
    descriptors: float
    new_descriptors: float
    restarts: int

    @property
    def is_flat(self) -> bool:
        """Whether it neither grew, kept descriptors nor died."""
        return self.grown <= MOST_GROWTH and self.new_descriptors <= MOST_NEW_DESCRIPTORS and self.restarts == 0


class Samples:
    """Samples of each measured process."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._begun = time.monotonic()
        self._series: dict[str, Series] = {}

    def take(self) -> None:
        """Look at each process once; one that was started anew begins anew."""
        for name in LINKED:
            process = self._deployment.members[name].process
            if process is None:
                continue
            with suppress(psutil.Error):
                seen = psutil.Process(process.pid)
                memory, descriptors = seen.memory_info().rss / 2**20, seen.num_fds()
                series = self._series.get(name)
                if series is None or series.pid != process.pid:
                    series = self._series[name] = Series(pid=process.pid)
                series.at_s.append(time.monotonic() - self._begun)
                series.resident_mib.append(memory)
                series.descriptors.append(descriptors)

    def growth(self) -> dict[str, Growth]:
        """Return how each process grew after its warm-up."""
        return {name: self._growth_of(name, series) for name, series in self._series.items()}

    def _growth_of(self, name: str, series: Series) -> Growth:
        begin = int(len(series.at_s) * WARM_UP)
        at_s, memory = series.at_s[begin:], series.resident_mib[begin:]
        descriptors = [float(count) for count in series.descriptors[begin:]]
        length_s = at_s[-1] - at_s[0]
        slope = theil_sen(at_s, memory)
        return Growth(
            resident_mib=median(memory),
            mib_per_hour=slope * 3600,
            grown=slope * length_s / median(memory),
            descriptors=median(descriptors),
            new_descriptors=theil_sen(at_s, descriptors) * length_s,
            restarts=self._deployment.members[name].starts - 1,
        )


def theil_sen(at: list[float], values: list[float]) -> float:
    """Return the slope of a line through points, whatever a few of them say.

    Args:
        at: Strictly rising; two or more.
        values: As many.

    Source:
        P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, 1968.
    """
    pairs = combinations(zip(at, values, strict=True), 2)
    return median((after - before) / (end - start) for (start, before), (end, after) in pairs)


class Pollers:
    """Clients that ask all the time; a context manager."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._poll, args=[number]) for number in range(POLLERS)]
        self.answers = 0

    def __enter__(self) -> "Pollers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, number: int) -> None:
        with self._deployment.client(patience_s=1) as client:
            while not self._stop.wait(POLL_EVERY_S):
                number += 1
                # A fault is at work: no answer is an answer.
                with suppress(ClientError):
                    client.json(PATHS[number % len(PATHS)])
                    self.answers += 1


def soak(folder: Path, *, backend: Backend, minutes: float, seed: int) -> dict[str, object]:
    """Load and break a deployment for so long; return what was found."""
    rng = random.Random(seed)
    struck = 0
    with Deployment(folder, backend) as deployment:
        dataset = prepare_dataset(deployment)
        expected = undisturbed(deployment, dataset)
        samples, end = Samples(deployment), time.monotonic() + minutes * 60
        kinds = [name for name in HARMLESS if name in possible_in(deployment)]
        with Submitter(deployment, dataset) as submitter, Pollers(deployment) as pollers:
            while time.monotonic() < end:
                struck += FAULTS[rng.choice(kinds)](deployment, rng)
                deployment.sleep(SAMPLE_EVERY_S)
                samples.take()
        calm(deployment)
        growth = samples.growth()
        verdict = judge(deployment, submitter.jobs, expected)
    return {
        "minutes": minutes,
        "seed": seed,
        "backend": backend,
        "faults": struck,
        "runs": verdict.runs,
        "polls": pollers.answers,
        "wrong": [*verdict.wrong, *submitter.refused],
        "growth": {name: asdict(grown) for name, grown in growth.items()},
        "not_flat": [name for name, grown in growth.items() if not grown.is_flat],
    }


def main() -> int:
    """Soak; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--backend", choices=get_args(Backend), default="sqlite")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cellgate-soak-"))
    found = soak(folder, backend=given.backend, minutes=given.minutes, seed=given.seed)
    print(json.dumps(found, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if found["wrong"] or found["not_flat"] else 0


if __name__ == "__main__":
    sys.exit(main())
