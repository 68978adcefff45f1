"""Two options compared: the interval of their difference in F1, and the p-value that this interval inverts to."""

# Shapes: G groups, M models (an option of one seed each), S resamples.
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from cellgate.contract.evidence import Interval
from trainers.engine.metrics import Floats
from trainers.evaluation.statistics import GroupCounts, Resampled, f1_of_counts

# With Satterthwaite's own degrees of freedom the discrete percentiles of few groups reject too rarely: 3.5 % of true
# ties instead of 5 %, and 15 % less power (bench/comparisons.py).
MORE_DEGREES = 3.0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How sure it is that two options differ in F1.

    Args:
        interval: Excludes 0 exactly where `p` is below 1 minus its confidence.
        p: Two-sided, of no difference over other functions and seeds; None where the interval is not made to agree.
    """

    interval: Interval
    p: float | None


def compare(
    resampled: Resampled, counts: GroupCounts, first: Sequence[int], second: Sequence[int], *, apart: bool
) -> Difference:
    """Return the difference of two options, `first` minus `second`; groups and seeds stand or fall together.

    The percentiles are expanded, as Student's t expands the normal distribution: few groups know their own spread
    badly, and only groups that the options call differently know it at all. A single group says nothing of others.

    Args:
        resampled: F1 of all models.
        counts: Of the same models.
        first: One option's models, one per seed.
        second: Another's, of the same seeds in the same order.
        apart: Whether no model of one option is part of the other.

    Source:
        Hesterberg 2015, arXiv 1411.5279, section 5.3 (expanded percentiles).
    """
    groups = len(counts.mistakes_GM)
    if groups < 2:
        return Difference(interval=Interval(low=-1.0, high=1.0, confidence=resampled.confidence), p=1.0)
    # The ends of the range count as a resample each: no finite number of them shows a p-value of 0.
    values_S = np.sort(np.concatenate([resampled.differences(first, second, apart=apart), [-1.0, 1.0]]))
    influence_G = _influence(counts, first) - _influence(counts, second)
    degrees = _degrees_of_freedom(influence_G, of_seeds=resampled.seed_spread(first, second, apart=apart).variance)
    shrink = np.sqrt((groups - 1) / groups)
    tail = float(ndtr(stdtrit(degrees, (1 - resampled.confidence) / 2) / shrink))
    low, high = np.quantile(values_S, [tail, 1 - tail]).tolist()
    p = min(1.0, 2 * float(stdtr(degrees, ndtri(_widest_tail(values_S)) * shrink)))
    return Difference(interval=Interval(low=low, high=high, confidence=resampled.confidence), p=p)


def _widest_tail(values_S: Floats) -> float:
    """Return the share to leave out on either side so that the percentile interval just begins at 0, at most 1.

    Args:
        values_S: Rising, from -1 to 1; read between two of them as `numpy.quantile` does.
    """
    return min(_share_until_zero(values_S), _share_until_zero(-values_S[::-1]))


def _share_until_zero(values_S: Floats) -> float:
    last = int(np.searchsorted(values_S, 0.0, side="right")) - 1
    beyond = values_S[last + 1] - values_S[last]
    return float((last - values_S[last] / beyond) / (len(values_S) - 1))


def _influence(counts: GroupCounts, members: Sequence[int]) -> Floats:
    """Return how much each group moves an option's F1, the mean over its seeds, (G,); to the first order."""
    found_GM, mistakes_GM = counts.true_positives_GM[:, list(members)], counts.mistakes_GM[:, list(members)]
    f1_M = f1_of_counts(found_GM.sum(axis=0), mistakes_GM.sum(axis=0))
    whole_M = np.maximum(2 * found_GM.sum(axis=0) + mistakes_GM.sum(axis=0), 1.0)
    influence_GM: Floats = (2 * found_GM - f1_M * (2 * found_GM + mistakes_GM)) / whole_M
    mean_G: Floats = influence_GM.mean(axis=1)
    return mean_G


def _degrees_of_freedom(influence_G: Floats, *, of_seeds: float) -> float:
    """Return what the variance of a difference is known by: at least 1, and without seeds at most G - 1.

    Args:
        influence_G: Of each group on the difference.
        of_seeds: Variance that seeds add. The resamples have Student's t for it already: the larger its part, the less
            there is to expand.

    Source:
        Satterthwaite 1946, doi 10.2307/3002019: twice the squared mean of a variance over its own variance, which the
        kurtosis of the groups gives.
    """
    groups = len(influence_G)
    centred_G = influence_G - influence_G.mean()
    variance = float((centred_G**2).mean())
    excess = float((centred_G**4).mean()) - variance**2
    if variance == 0:
        return groups - 1.0
    of_groups = groups - 1.0
    if excess > 0:
        of_groups = float(np.clip(MORE_DEGREES * 2 * groups * variance**2 / excess, 1.0, groups - 1.0))
    return of_groups * (1 + of_seeds / (groups * variance)) ** 2
