"""How honest it is to add seeds until the answer is clear: `python -m bench.stopping [--experiments 2000] [--seed 0]`.

Each experiment is drawn with all the seeds that it may have. It is weighed and decided with the first three, and with
two more as long as the answer is borderline, as the service does. Where the options tie, or F1 is exactly at the
threshold, every clear answer is an error: shown are how often there is one after the first look, and after the last.
"""

import argparse
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from bench.decision import CHOICE, PASSED, THRESHOLD
from cellgate.contract.experiment import Policy
from service.domain.decision.rules import decide
from tests.simulated_experiments import Sample, World, draw, evidence_of

FIRST, STEP, MOST = 3, 2, 9
TIE = World(f1={"transformer": 0.88, "gnn": 0.80, "ensemble": 0.88}, seeds=MOST)
WORLDS: tuple[tuple[str, World, Policy], ...] = (
    ("tie", TIE, CHOICE),
    ("tie, 500 groups", replace(TIE, groups=500), CHOICE),
    ("tie, seeds far apart", replace(TIE, seed_spread=0.15), CHOICE),
    ("tie, seeds all alike", replace(TIE, seed_spread=0.0), CHOICE),
    ("tie, one function in five vulnerable", replace(TIE, vulnerable=0.2), CHOICE),
    ("exactly 0.90", replace(TIE, f1={"transformer": 0.84, "gnn": 0.80, "ensemble": 0.90}), THRESHOLD),
    ("ensemble 2 points better", replace(TIE, f1={"transformer": 0.88, "gnn": 0.80, "ensemble": 0.90}), CHOICE),
    ("ensemble 5 points better", replace(TIE, f1={"transformer": 0.85, "gnn": 0.80, "ensemble": 0.90}), CHOICE),
)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What came of one world.

    Args:
        at_once: How often the answer is clear with the first seeds.
        in_the_end: How often it is once seeds were added.
        seeds: How many it had then, in the mean.
    """

    at_once: float
    in_the_end: float
    seeds: float


def measure(world: World, policy: Policy, *, experiments: int, seed: int) -> Rates:
    """Return how often the answer is clear, at once and in the end."""
    rng = np.random.default_rng(seed)
    at_once, in_the_end, seeds = [], [], []
    for number in range(experiments):
        sample = draw(world, rng)
        looks = range(FIRST, MOST + 1, STEP)
        clear = (count for count in looks if _is_clear(world, sample, count, policy, seed=number))
        stopped = next(clear, None)
        at_once.append(stopped == FIRST)
        in_the_end.append(stopped is not None)
        seeds.append(stopped or MOST)
    return Rates(at_once=fmean(at_once), in_the_end=fmean(in_the_end), seeds=fmean(seeds))


def _is_clear(world: World, sample: Sample, count: int, policy: Policy, *, seed: int) -> bool:
    """Return whether the answer is clear with the first so many seeds of every option."""
    columns = [option * world.seeds + place for option in range(len(world.f1)) for place in range(count)]
    seen = replace(sample, predicted_RM=sample.predicted_RM[:, columns])
    evidence = evidence_of(replace(world, seeds=count), seen, seed=seed)
    return decide(evidence, PASSED, policy, stage="bases").confidence == "clear"


def main() -> None:
    """Print a row per world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2000, help="of each world")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'world':38} {'clear at once':>14} {'clear in the end':>17} {'mean seeds':>11}")
    for name, world, policy in WORLDS:
        found = measure(world, policy, experiments=options.experiments, seed=options.seed)
        print(f"{name:38} {found.at_once:14.3f} {found.in_the_end:17.3f} {found.seeds:11.2f}", flush=True)


if __name__ == "__main__":
    main()
