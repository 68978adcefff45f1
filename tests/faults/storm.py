"""Break a deployment at random: `python -m tests.faults.storm --faults 300 --backend postgres [--seed 1] [--keep DIR]`.

Real training runs are submitted all the time; every fault strikes at a random moment of a random phase. Afterwards
every run must have ended, none twice, each with the bytes and curves of an undisturbed one. Exit code 1 otherwise.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from tests.faults.deployment import Backend, Deployment
from tests.faults.faults import FAULTS, PHASES, wait_for_phase
from tests.faults.judgement import Verdict, judge
from tests.faults.workload import Submitter, in_flight, prepare_dataset, undisturbed, wait_until

PAUSE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Storm:
    """What was done, and what it came to."""

    faults: dict[str, int]
    verdict: Verdict
    submitted: int
    refused: list[str]
    seconds: float


def break_at_random(folder: Path, *, backend: Backend, faults: int, seed: int) -> Storm:
    """Break a deployment so many times and judge what is left.

    Args:
        folder: Empty; the deployment's.
        seed: Decides which fault strikes in which phase, and how hard; the processes' own timing is not ours.
    """
    rng = random.Random(seed)
    begun = time.monotonic()
    struck: Counter[str] = Counter()
    plan = [name for _ in range(1 + faults // len(FAULTS)) for name in rng.sample(list(FAULTS), len(FAULTS))][:faults]
    with Deployment(folder, backend) as deployment:
        dataset = prepare_dataset(deployment)
        expected = undisturbed(deployment, dataset)
        with Submitter(deployment, dataset) as submitter:
            for number, name in enumerate(plan, start=1):
                phase = rng.choice(list(PHASES))
                reached = wait_for_phase(deployment, phase)
                FAULTS[name](deployment, rng)
                struck[f"{name} while {phase if reached else 'idle'}"] += 1
                print(f"{number}/{faults} {name} ({phase}{'' if reached else ', not reached'})", file=sys.stderr)
                _settle(deployment, rng.uniform(0, PAUSE_S))
        _calm(deployment)
        verdict = judge(deployment, submitter.jobs, expected)
    return Storm(
        faults=dict(struck),
        verdict=verdict,
        submitted=len(submitter.jobs),
        refused=submitter.refused,
        seconds=time.monotonic() - begun,
    )


def _settle(deployment: Deployment, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        deployment.look()
        time.sleep(0.05)


def _calm(deployment: Deployment) -> None:
    """Let everything come up again and end; what does not is the verdict's to name."""
    for member in deployment.members.values():
        member.down_until = 0.0
    try:
        wait_until(deployment, lambda: in_flight(deployment) == 0, "all runs end")
    except RuntimeError as error:
        print(error, file=sys.stderr)


def main() -> int:
    """Run a storm; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--backend", choices=get_args(Backend), default="sqlite")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", type=Path, help="work here, and leave everything for a look")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"SEED={seed} backend={given.backend} faults={given.faults}", file=sys.stderr)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="cellgate-faults-"))
    storm = break_at_random(folder, backend=given.backend, faults=given.faults, seed=seed)
    print(json.dumps({"seed": seed, "backend": given.backend, **asdict(storm)}, indent=2, default=str))
    if given.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if storm.verdict.wrong or storm.refused else 0


if __name__ == "__main__":
    sys.exit(main())
