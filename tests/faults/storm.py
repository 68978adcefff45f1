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
from tests.faults.faults import FAULTS, PHASES, possible_in, wait_for_phase
from tests.faults.judgement import Verdict, judge
from tests.faults.workload import Submitter, in_flight, prepare_dataset, undisturbed, wait_until

PAUSE_S = 1.0
# A strike meets nothing where no trainer runs, or the run ends in the same moment.
MAX_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class Storm:
    """What was done, and what it came to.

    Args:
        faults: Strikes of each kind, of those whose phase was reached and whose effect was seen.
        phases: The same by phase.
        without_effect: Strikes of each kind that met nothing, and were tried again.
        missing: Strikes of each kind that were given up.
    """

    faults: dict[str, int]
    phases: dict[str, int]
    without_effect: dict[str, int]
    missing: dict[str, int]
    verdict: Verdict
    submitted: int
    refused: list[str]
    seconds: float


class Strikes:
    """So many strikes, every kind as often as any other; each is tried until its phase is reached and its effect seen.

    Args:
        deployment: What is struck.
        rng: Decides the order, the phases and how hard.
        number: Of strikes.
    """

    def __init__(self, deployment: Deployment, rng: random.Random, number: int) -> None:
        self._deployment = deployment
        self._rng = rng
        kinds = possible_in(deployment)
        rounds = [rng.sample(kinds, len(kinds)) for _ in range(1 + number // len(kinds))]
        self._plan = [name for order in rounds for name in order][:number]
        self.missing: Counter[str] = Counter(self._plan)
        self.struck: Counter[str] = Counter()
        self.phases: Counter[str] = Counter()
        self.without_effect: Counter[str] = Counter()

    def strike_all(self) -> None:
        """Strike as planned; a kind that meets nothing MAX_TRIES times in a row is given up."""
        for number, name in enumerate(self._plan, start=1):
            tries = next((tried for tried in range(1, MAX_TRIES + 1) if self._strike(name)), MAX_TRIES)
            print(f"{number}/{len(self._plan)} {name}, tries: {tries}", file=sys.stderr)
            self._deployment.sleep(self._rng.uniform(0, PAUSE_S))

    def _strike(self, name: str) -> bool:
        phase = self._rng.choice(list(PHASES))
        counts = wait_for_phase(self._deployment, phase) and FAULTS[name](self._deployment, self._rng)
        if counts:
            self.struck[name] += 1
            self.missing[name] -= 1
            self.phases[phase] += 1
        else:
            self.without_effect[name] += 1
        return counts


def break_at_random(folder: Path, *, backend: Backend, faults: int, seed: int) -> Storm:
    """Break a deployment so many times and judge what is left.

    Args:
        folder: Empty; the deployment's.
        seed: Decides which fault strikes in which phase, and how hard; the processes' own timing is not ours.
    """
    rng = random.Random(seed)
    begun = time.monotonic()
    with Deployment(folder, backend) as deployment:
        dataset = prepare_dataset(deployment)
        expected = undisturbed(deployment, dataset)
        strikes = Strikes(deployment, rng, faults)
        with Submitter(deployment, dataset) as submitter:
            strikes.strike_all()
        calm(deployment)
        verdict = judge(deployment, submitter.jobs, expected)
    return Storm(
        faults=dict(strikes.struck),
        phases=dict(strikes.phases),
        without_effect=dict(strikes.without_effect),
        missing=dict(+strikes.missing),
        verdict=verdict,
        submitted=len(submitter.jobs),
        refused=submitter.refused,
        seconds=time.monotonic() - begun,
    )


def calm(deployment: Deployment) -> None:
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
    return 1 if storm.verdict.wrong or storm.refused or storm.missing else 0


if __name__ == "__main__":
    sys.exit(main())
