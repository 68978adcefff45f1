"""How honest the decision is: `python -m bench.decision [--experiments 2000] [--seed 0]`, with the true F1 known.

Each world is drawn so many times, weighed by cell 54's own intervals and decided by the service's own rule. Shown are
how often the 95 % intervals of F1 and of a difference hold the truth, and how often the answer is called clear.
"""

import argparse
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from cellgate.contract.evidence import Comparison, OptionEvidence
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import GateReport
from service.domain.decision.rules import decide
from tests.simulated_experiments import World, draw, evidence_of

PASSED = GateReport(experiment="exp_simulated", verdict="pass", checks=[], summary="")
# What decides then is the ensemble's gain over the better single model.
CHOICE = Policy(fusion="never")
# What decides then is F1 against 0.90.
THRESHOLD = Policy()
TIE = World(f1={"transformer": 0.88, "gnn": 0.80, "ensemble": 0.88})
WORLDS: tuple[tuple[str, World, Policy], ...] = (
    ("tie", TIE, CHOICE),
    ("tie, 40 groups", World(f1=TIE.f1, groups=40), CHOICE),
    ("tie, 500 groups", World(f1=TIE.f1, groups=500), CHOICE),
    ("tie, 1 seed, none other known", World(f1=TIE.f1, seeds=1, seed_spread=0.0), CHOICE),
    ("tie, 5 seeds", World(f1=TIE.f1, seeds=5), CHOICE),
    ("tie, seeds far apart", World(f1=TIE.f1, seed_spread=0.15), CHOICE),
    ("tie, one function in five vulnerable", World(f1=TIE.f1, vulnerable=0.2), CHOICE),
    ("tie of all three", World(f1={"transformer": 0.88, "gnn": 0.88, "ensemble": 0.88}), CHOICE),
    ("ensemble 10 points better", World(f1={"transformer": 0.82, "gnn": 0.80, "ensemble": 0.92}), CHOICE),
    ("exactly 0.90", World(f1={"transformer": 0.84, "gnn": 0.80, "ensemble": 0.90}), THRESHOLD),
    ("0.80, far below 0.90", World(f1={"transformer": 0.78, "gnn": 0.72, "ensemble": 0.80}), THRESHOLD),
    ("0.97, far above 0.90", World(f1={"transformer": 0.90, "gnn": 0.86, "ensemble": 0.97}), THRESHOLD),
)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What was found over all experiments of one world.

    Args:
        f1: How often the interval of F1 holds the truth, over all options.
        difference: The same of differences.
        clear: How often the decision is called clear.
        width: Mean width of the intervals of F1.
    """

    f1: float
    difference: float
    clear: float
    width: float


def measure(world: World, policy: Policy, *, experiments: int, seed: int) -> Rates:
    """Return how often intervals hold the truth and decisions are clear."""
    rng = np.random.default_rng(seed)
    f1s, differences, clear, widths = [], [], [], []
    for number in range(experiments):
        evidence = evidence_of(world, draw(world, rng), seed=number)
        f1s += [_holds_f1(option, world) for option in evidence.options]
        differences += [_holds_difference(found, world) for found in evidence.comparisons]
        widths += [option.f1_interval.high - option.f1_interval.low for option in evidence.options]
        clear.append(decide(evidence, PASSED, policy, stage="bases").confidence == "clear")
    return Rates(f1=fmean(f1s), difference=fmean(differences), clear=fmean(clear), width=fmean(widths))


def _holds_f1(option: OptionEvidence, world: World) -> bool:
    return option.f1_interval.low <= world.f1[option.option] <= option.f1_interval.high


def _holds_difference(found: Comparison, world: World) -> bool:
    truth = world.f1[found.first] - world.f1[found.second]
    return found.f1_interval.low <= truth <= found.f1_interval.high


def main() -> None:
    """Print a row per world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2000, help="of each world")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{'world':38} {'F1 held':>8} {'difference held':>16} {'called clear':>13} {'mean width':>11}")
    for name, world, policy in WORLDS:
        found = measure(world, policy, experiments=options.experiments, seed=options.seed)
        print(f"{name:38} {found.f1:8.3f} {found.difference:16.3f} {found.clear:13.3f} {found.width:11.4f}", flush=True)


if __name__ == "__main__":
    main()
