"""Experiments whose true F1 is known: functions in groups, models that err together, seeds that differ."""

# Shapes: R rows of gate, M models (an option of one seed each).
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cellgate.contract.evidence import Comparison, Evidence
from cellgate.contract.options import Option, share_no_model
from tests.fakes import option_evidence
from trainers.evaluation.differences import Difference, compare
from trainers.evaluation.statistics import Resampled, count_by_group

# Shares of what makes a function hard: its group, for all models and for one; itself, for all, for one, for one seed.
GROUP_SHARED, GROUP_OWN, ROW_SHARED, ROW_OWN, ROW_SEED = 0.25, 0.25, 0.15, 0.15, 0.20
RESAMPLES = 500


@dataclass(frozen=True, kw_only=True)
class World:
    """What experiments are drawn from.

    Args:
        f1: True F1 of each option: over all functions and all seeds.
        groups: Of the gate split; each holds 1 to 5 functions.
        vulnerable: Share of the functions.
        seed_spread: How far seeds differ in skill; 0.15 is a standard deviation of F1 of about 0.02.
    """

    f1: Mapping[Option, float]
    groups: int = 150
    seeds: int = 3
    vulnerable: float = 0.5
    seed_spread: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One drawn gate split with every model's outputs; an option's models stand together, by seed."""

    labels_R: NDArray[np.int64]
    group_R: NDArray[np.int64]
    predicted_RM: NDArray[np.bool_]


def draw(world: World, rng: np.random.Generator) -> Sample:
    """Return one experiment."""
    group_R = np.repeat(np.arange(world.groups), rng.integers(1, 6, world.groups))
    rows = len(group_R)
    labels_R = (rng.random(rows) < world.vulnerable).astype(np.int64)
    shared_R = _normal(rng, world.groups, GROUP_SHARED)[group_R] + _normal(rng, rows, ROW_SHARED)
    columns = []
    for f1 in world.f1.values():
        own_R = shared_R + _normal(rng, world.groups, GROUP_OWN)[group_R] + _normal(rng, rows, ROW_OWN)
        for _seed in range(world.seeds):
            skill = skill_of(f1, world.vulnerable, world.seed_spread) + rng.normal(0.0, world.seed_spread)
            right_R = skill + own_R + _normal(rng, rows, ROW_SEED) > 0
            columns.append(right_R == (labels_R == 1))
    return Sample(labels_R=labels_R, group_R=group_R, predicted_RM=np.stack(columns, axis=1))


def evidence_of(world: World, sample: Sample, *, seed: int) -> Evidence:
    """Return what cell 54 would leave, its intervals by the code that it uses."""
    counts = count_by_group(sample.labels_R, sample.predicted_RM, sample.group_R)
    resampled = Resampled.of_counts(counts, resamples=RESAMPLES, seed=seed, confidence=0.95)
    names = list(world.f1)
    members = {name: range(place * world.seeds, (place + 1) * world.seeds) for place, name in enumerate(names)}
    f1s = {name: resampled.measured_M[list(members[name])].tolist() for name in names}
    options = [
        option_evidence(name, f1s[name]).model_copy(update={"f1_interval": resampled.interval(members[name])})
        for name in names
    ]
    comparisons = [
        _compare(
            first,
            second,
            f1s,
            compare(resampled, counts, members[first], members[second], apart=share_no_model(first, second)),
        )
        for first, second in combinations(names, 2)
    ]
    return Evidence(
        split="gate",
        rows=len(sample.labels_R),
        positives=int(sample.labels_R.sum()),
        groups=world.groups,
        all_positive_f1=2 * world.vulnerable / (1 + world.vulnerable),
        options=options,
        comparisons=comparisons,
        slices=[],
        inputs={},
    )


def _compare(
    first: Option, second: Option, f1s: Mapping[Option, Sequence[float]], difference: Difference
) -> Comparison:
    return Comparison(
        first=first,
        second=second,
        f1_difference=fmean(f1s[first]) - fmean(f1s[second]),
        f1_interval=difference.interval,
        mcnemar_p=1.0,
        holm_p=1.0,
        p=difference.p,
        adjusted_p=difference.p,
    )


def _normal(rng: np.random.Generator, count: int, variance: float) -> NDArray[np.float64]:
    return rng.normal(0.0, np.sqrt(variance), count)


@cache
def skill_of(f1: float, vulnerable: float, seed_spread: float) -> float:
    """Return the mean skill at which F1, over all functions and then over all seeds, is `f1`; by bisection."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)

    def true_f1(skill: float) -> float:
        right = norm.cdf(skill + seed_spread * nodes)
        # True positives, false positives and false negatives, as shares of all functions.
        found, alarms, missed = vulnerable * right, (1 - vulnerable) * (1 - right), vulnerable * (1 - right)
        return float(np.average(2 * found / (2 * found + alarms + missed), weights=weights))

    low, high = -5.0, 8.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if true_f1(middle) < f1 else (low, middle)
    return low
