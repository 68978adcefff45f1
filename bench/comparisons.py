"""How often the p-value of a comparison is wrong, and how often it finds a difference: `python -m bench.comparisons`.

Two options are drawn again and again from worlds whose true F1 is known: commits of 1 to 5 functions, seeds that
differ, few vulnerable functions. Cell 54's own code compares them. Shown are how often p is below 0.05 where both
options are equally good (at most 0.06 is asked for), and, in half as many experiments, where one is better by the gap;
beside it, what the plain percentile interval of earlier releases and McNemar's test over functions would say.
"""

# Shapes: E experiments, G groups, F functions of a group at most, M models (an option of one seed each), K seeds.
import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from tests.simulated_experiments import GROUP_OWN, GROUP_SHARED, ROW_OWN, ROW_SEED, ROW_SHARED, skill_of
from trainers.evaluation.differences import compare
from trainers.evaluation.statistics import GroupCounts, Resampled

LARGEST_GROUP = 5
RESAMPLES = 500
BLOCK = 100
ALPHA = 0.05
# Gap in F1, from 0.88 down, that is found about half of the time with three seeds.
GAPS = {0.02: 0.25, 0.1: 0.10, 0.5: 0.06}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two options to compare; the worlds are those of `bench.decision`.

    Args:
        gap: In true F1; 0: both are equally good.
        spread: How far seeds differ in skill; 0.15 is a standard deviation of F1 of about 0.02.
    """

    vulnerable: float
    seeds: int
    spread: float
    gap: float = 0.0
    f1: float = 0.88
    groups: int = 150


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Shares of experiments in which a difference is claimed."""

    p: float
    percentile: float
    mcnemar: float


Block = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def grid() -> Iterator[Pair]:
    """Yield every world without a gap; with one seed nobody knows how far seeds differ, and it speaks for itself."""
    for vulnerable, seeds in product(GAPS, (1, 2, 3, 5)):
        for spread in (0.0,) if seeds == 1 else (0.05, 0.15):
            yield Pair(vulnerable=vulnerable, seeds=seeds, spread=spread)
    yield Pair(vulnerable=0.5, seeds=1, spread=0.0, groups=40)
    yield Pair(vulnerable=0.5, seeds=3, spread=0.05, groups=40)
    yield Pair(vulnerable=0.5, seeds=3, spread=0.05, groups=500)
    yield Pair(vulnerable=0.5, seeds=2, spread=0.15, groups=500)


def measure(pair: Pair, *, experiments: int, seed: int) -> Rates:
    """Return how often each test claims a difference."""
    rng = np.random.default_rng(seed)
    claims: list[tuple[bool, bool]] = []
    by_rows: list[NDArray[np.float64]] = []
    for first in range(0, experiments, BLOCK):
        found_GEM, mistakes_GEM, p_E = _draw(pair, min(BLOCK, experiments - first), rng)
        by_rows.append(p_E)
        counts = GroupCounts(
            true_positives_GM=found_GEM.reshape(pair.groups, -1), mistakes_GM=mistakes_GEM.reshape(pair.groups, -1)
        )
        resampled = Resampled.of_counts(counts, resamples=RESAMPLES, seed=0, confidence=1 - ALPHA)
        claims += [_claims(resampled, counts, place, pair.seeds) for place in range(len(p_E))]
    by_group, by_percentile = np.mean(claims, axis=0).tolist()
    return Rates(p=by_group, percentile=by_percentile, mcnemar=float((np.concatenate(by_rows) < ALPHA).mean()))


def _claims(resampled: Resampled, counts: GroupCounts, place: int, seeds: int) -> tuple[bool, bool]:
    """Return whether p is below 0.05 and whether the plain percentile interval excludes 0, in one experiment."""
    begin = 2 * seeds * place
    one, other = range(begin, begin + seeds), range(begin + seeds, begin + 2 * seeds)
    plain = resampled.difference_interval(one, other)
    p = compare(resampled, counts, one, other, apart=True).p
    return p is not None and p < ALPHA, plain.low > 0 or plain.high < 0


def _draw(pair: Pair, experiments: int, rng: np.random.Generator) -> Block:
    """Return true positives and mistakes, (G, E, M) each, and McNemar's p of the median seed, (E,)."""
    groups, rows = (experiments, pair.groups, 1), (experiments, pair.groups, LARGEST_GROUP)

    def normal(shape: tuple[int, ...], variance: float) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(variance))

    size_EG1 = rng.integers(1, LARGEST_GROUP + 1, groups)
    real_EGF = np.arange(LARGEST_GROUP) < size_EG1
    positive_EGF = (rng.random(rows) < pair.vulnerable) & real_EGF
    shared_EGF = normal(groups, GROUP_SHARED) + normal(rows, ROW_SHARED)
    right = []
    for f1 in (pair.f1, pair.f1 - pair.gap):
        own_EGF = shared_EGF + normal(groups, GROUP_OWN) + normal(rows, ROW_OWN)
        for _seed in range(pair.seeds):
            skill_E11 = skill_of(f1, pair.vulnerable, pair.spread) + normal((experiments, 1, 1), pair.spread**2)
            right.append((skill_E11 + own_EGF + normal(rows, ROW_SEED) > 0) & real_EGF)
    found = np.stack([(right_EGF & positive_EGF).sum(axis=2) for right_EGF in right], axis=2)
    mistakes = np.stack([(~right_EGF & real_EGF).sum(axis=2) for right_EGF in right], axis=2)
    return found.transpose(1, 0, 2).astype(float), mistakes.transpose(1, 0, 2).astype(float), _mcnemar(right)


def _mcnemar(right: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    seeds = len(right) // 2
    p_values = []
    for one, other in zip(right[:seeds], right[seeds:], strict=True):
        first_E, second_E = (one & ~other).sum(axis=(1, 2)), (other & ~one).sum(axis=(1, 2))
        p_values.append(np.minimum(1.0, 2 * bdtr(np.minimum(first_E, second_E), first_E + second_E, 0.5)))
    middle_E: NDArray[np.float64] = np.sort(p_values, axis=0)[seeds // 2]
    return middle_E


def main() -> None:
    """Print a row per world: first both options equally good, then one better by the gap."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2000, help="of each world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="each Nth world, from I")
    options = parser.parse_args()
    columns = ("vulnerable", "groups", "seeds", "spread", "no gap: p", "percentile", "McNemar", "gap")
    print(f"| {' | '.join((*columns, 'p', 'percentile', 'McNemar'))} |")
    print("|---" * (len(columns) + 3) + "|")
    for pair in list(grid())[options.part[0] :: options.part[1]]:
        gap = GAPS[pair.vulnerable]
        tied = measure(pair, experiments=options.experiments, seed=options.seed)
        apart = measure(replace(pair, gap=gap), experiments=options.experiments // 2, seed=options.seed)
        figures = [f"{one.p:.3f} | {one.percentile:.3f} | {one.mcnemar:.3f}" for one in (tied, apart)]
        world = f"{pair.vulnerable:.0%} | {pair.groups} | {pair.seeds} | {pair.spread:g}"
        print(f"| {world} | {figures[0]} | {gap:g} | {figures[1]} |", flush=True)


if __name__ == "__main__":
    main()
