"""How sure a figure is: bootstrap over functions and seeds, exact McNemar, Holm's correction."""

# Shapes: R rows, G groups, M models (an option of one seed each), K seeds of one option, S resamples, H hypotheses.
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cellgate.contract.evidence import Estimate, Interval
from trainers.engine.metrics import Floats, Integers
from trainers.evaluation.seed_spread import SeedSpread

Booleans = NDArray[np.bool_]
# Resamples drawn at once: bounds the memory of the weights to this many times the groups.
BLOCK_RESAMPLES = 500


@dataclass(frozen=True, kw_only=True)
class GroupCounts:
    """What F1 is made of, per group; sums over groups give the counts of any resample.

    Args:
        true_positives_GM: Float for the matrix product, but whole numbers.
        mistakes_GM: False positives plus false negatives, likewise.
    """

    true_positives_GM: Floats
    mistakes_GM: Floats


def count_by_group(labels_R: Integers, predicted_RM: Booleans, group_R: Integers) -> GroupCounts:
    """Count each model's true positives and mistakes per group.

    Args:
        group_R: Number of each row's group, 0 to G - 1.
    """
    positive_R1 = (labels_R == 1)[:, np.newaxis]
    return GroupCounts(
        true_positives_GM=sum_by_group(positive_R1 & predicted_RM, group_R),
        mistakes_GM=sum_by_group(positive_R1 != predicted_RM, group_R),
    )


def sum_by_group(indicator_RM: Booleans, group_R: Integers) -> Floats:
    """Return in how many rows of each group each column is true, (G, M).

    Args:
        indicator_RM: One or more columns.
        group_R: Number of each row's group, 0 to G - 1.
    """
    total_GM = np.zeros((int(group_R.max()) + 1, indicator_RM.shape[1]))
    np.add.at(total_GM, group_R, indicator_RM)
    return total_GM


def bootstrap_f1(counts: GroupCounts, *, resamples: int, seed: int) -> Floats:
    """Return each model's F1 on each resample, (S, M); the resamples are the same for all models, so they pair.

    Whole groups are drawn with replacement: rows of one commit or pair stand or fall together, and drawing them
    one by one would call the figure surer than it is. A resample without a positive counts as F1 0.

    Args:
        resamples: S.
        seed: The same seed and counts give the same bytes.

    Source:
        Field and Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x (randomised cluster bootstrap).
    """
    return np.concatenate(
        [
            f1_of_counts(times_SG @ counts.true_positives_GM, times_SG @ counts.mistakes_GM)
            for times_SG in group_draws(len(counts.mistakes_GM), resamples=resamples, seed=seed)
        ]
    )


def bootstrap_shares(part_GM: Floats, whole_G: Floats, *, resamples: int, seed: int) -> Floats:
    """Return each model's part of the whole on each resample, (S, M): on those that `bootstrap_f1` draws.

    Resamples that draw nothing of the whole are left out, so that there may be fewer than were asked for.

    Args:
        part_GM: Whole numbers, at most `whole_G`.
        whole_G: Whole numbers, not all zero.
        resamples: S at most.
        seed: The same seed and counts give the same bytes.
    """
    blocks = []
    for times_SG in group_draws(len(whole_G), resamples=resamples, seed=seed):
        whole_S = times_SG @ whole_G
        drawn_S = whole_S > 0
        blocks.append((times_SG[drawn_S] @ part_GM) / whole_S[drawn_S, np.newaxis])
    return np.concatenate(blocks)


def group_draws(groups: int, *, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each group is drawn, (S, G), block by block."""
    rng = np.random.default_rng(seed)
    share_G = np.full(groups, 1 / groups)
    for first in range(0, resamples, BLOCK_RESAMPLES):
        size = min(BLOCK_RESAMPLES, resamples - first)
        yield rng.multinomial(groups, share_G, size=size).astype(np.float64)


def f1_of_counts(true_positives: Floats, mistakes: Floats) -> Floats:
    """Return F1, 0 where there is nothing to find and nothing was called; both arrays have one shape."""
    return ratio(2 * true_positives, 2 * true_positives + mistakes)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part over whole, 0 where the whole is; both arrays have one shape."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def percentile_interval(values_S: Floats, *, confidence: float) -> Interval:
    """Return the interval that leaves half of the remainder on either side.

    Source:
        Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(values_S, [tail, 1 - tail]).tolist()
    return Interval(low=low, high=high, confidence=confidence)


def mcnemar_p(first_right_R: Booleans, second_right_R: Booleans) -> float:
    """Return the two-sided exact p-value that both models are right equally often; 1 when they never differ.

    Source:
        McNemar 1947, doi 10.1007/BF02295996; exact form: binomial with 1/2 over the rows that only one gets right.
    """
    only_first = int(np.count_nonzero(first_right_R & ~second_right_R))
    only_second = int(np.count_nonzero(second_right_R & ~first_right_R))
    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


def holm(p_values_H: Sequence[float]) -> list[float]:
    """Return the p-values corrected for there being several, in the order given.

    Source:
        Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 65–70.
    """
    order = sorted(range(len(p_values_H)), key=lambda place: p_values_H[place])
    corrected = [0.0] * len(order)
    so_far = 0.0
    for rank, place in enumerate(order):
        so_far = max(so_far, min(1.0, (len(order) - rank) * p_values_H[place]))
        corrected[place] = so_far
    return corrected


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """A score of all models on one split, F1 or a share, with its values on the same resamples of the split's groups.

    Args:
        measured_M: As measured.
        resampled_SM: On each resample.
        seed: Of the resamples.
        confidence: Of every interval.
    """

    measured_M: Floats
    resampled_SM: Floats
    seed: int
    confidence: float

    @classmethod
    def of_f1(
        cls,
        labels_R: Integers,
        predicted_RM: Booleans,
        group_R: Integers,
        *,
        resamples: int,
        seed: int,
        confidence: float,
    ) -> Self:
        """Return the models' F1 on resamples of whole groups.

        Args:
            group_R: Number of each row's group, 0 to G - 1.
            resamples: S.
            seed: The same seed and predictions give the same bytes.
        """
        counts = count_by_group(labels_R, predicted_RM, group_R)
        return cls.of_counts(counts, resamples=resamples, seed=seed, confidence=confidence)

    @classmethod
    def of_counts(cls, counts: GroupCounts, *, resamples: int, seed: int, confidence: float) -> Self:
        """Return the F1 of the models with these counts, on resamples of whole groups.

        Args:
            resamples: S.
            seed: The same seed and counts give the same bytes.
        """
        f1_M = f1_of_counts(counts.true_positives_GM.sum(axis=0), counts.mistakes_GM.sum(axis=0))
        resampled_SM = bootstrap_f1(counts, resamples=resamples, seed=seed)
        return cls(measured_M=f1_M, resampled_SM=resampled_SM, seed=seed, confidence=confidence)

    @classmethod
    def of_shares(cls, part_GM: Floats, whole_G: Floats, *, resamples: int, seed: int, confidence: float) -> Self:
        """Return the models' part of a whole on resamples of whole groups.

        Args:
            part_GM: Whole numbers, at most `whole_G`.
            whole_G: Whole numbers, not all zero.
            resamples: S.
            seed: The same seed and counts give the same bytes.
        """
        return cls(
            measured_M=part_GM.sum(axis=0) / whole_G.sum(),
            resampled_SM=bootstrap_shares(part_GM, whole_G, resamples=resamples, seed=seed),
            seed=seed,
            confidence=confidence,
        )

    def interval(self, members: Sequence[int]) -> Interval:
        """Return the interval of one option's score.

        Args:
            members: The option's models, one per seed.
        """
        chosen = list(members)
        values_S = self._over_seeds(self.measured_M[chosen], self.resampled_SM[:, chosen])
        return percentile_interval(np.clip(values_S, 0.0, 1.0), confidence=self.confidence)

    def estimate(self, members: Sequence[int], *, scale: float = 1) -> Estimate:
        """Return one option's score, the mean over its seeds, with its interval.

        Args:
            members: The option's models, one per seed.
            scale: What the score is multiplied by.
        """
        found = self.interval(members)
        interval = Interval(low=scale * found.low, high=scale * found.high, confidence=found.confidence)
        return Estimate(mean=scale * fmean(self.measured_M[list(members)].tolist()), interval=interval)

    def difference_interval(self, first: Sequence[int], second: Sequence[int]) -> Interval:
        """Return the interval of the difference between two options, paired by resample and by seed."""
        return percentile_interval(self.differences(first, second), confidence=self.confidence)

    def differences(self, first: Sequence[int], second: Sequence[int], *, apart: bool = False) -> Floats:
        """Return the difference between two options on each resample, (S,), from -1 to 1, paired by seed.

        Args:
            first: One option's models, one per seed.
            second: Another's, of the same seeds in the same order.
            apart: Whether no model of one option is part of the other.
        """
        between_SK = self.resampled_SM[:, list(first)] - self.resampled_SM[:, list(second)]
        values_S = self._moved(between_SK, self.seed_spread(first, second, apart=apart))
        return np.clip(values_S, -1.0, 1.0)

    def seed_spread(self, first: Sequence[int], second: Sequence[int], *, apart: bool = False) -> SeedSpread:
        """Return what seeds add to the variance of the mean difference between two options.

        Options that share a model vary together: only the spread of their difference tells by how much. Of options that
        are trained apart each one's own spread is known, and both together are known better.

        Args:
            first: One option's models, one per seed.
            second: Another's, of the same seeds in the same order.
            apart: Whether no model of one option is part of the other.
        """
        one, other = ((self.measured_M[list(own)], self.resampled_SM[:, list(own)]) for own in (first, second))
        return SeedSpread.of(one, other) if apart else SeedSpread.of((one[0] - other[0], one[1] - other[1]))

    def _over_seeds(self, measured_K: Floats, resampled_SK: Floats) -> Floats:
        """Return the mean over seeds on each resample, moved as other seeds would move it."""
        return self._moved(resampled_SK, SeedSpread.of((measured_K, resampled_SK)))

    def _moved(self, resampled_SK: Floats, spread: SeedSpread) -> Floats:
        """Return the mean over seeds on each resample, moved; with one seed it stays that of the one model."""
        mean_S: Floats = resampled_SK.mean(axis=1)
        seeds = resampled_SK.shape[1]
        if seeds == 1:
            return mean_S
        # Few seeds know their own spread badly: Student's t, not the normal.
        moved_S: Floats = np.random.default_rng([self.seed, seeds]).standard_t(spread.degrees, len(mean_S))
        return mean_S + moved_S * math.sqrt(spread.variance)
