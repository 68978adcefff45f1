"""How far another draw of the seeds would move a score or a difference: a variance, and how well it is known."""

# Shapes: S resamples, K seeds of one option.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from trainers.engine.metrics import Floats


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """What seeds add to the variance of a mean over them, beyond chance of the split.

    Args:
        variance: Of the mean; 0 with a single seed, of which nothing is known.
        degrees: Of freedom, that the variance is known by: few seeds know their own spread badly.
    """

    variance: float
    degrees: float

    @classmethod
    def of(cls, *scores: tuple[Floats, Floats]) -> Self:
        """Return the spread of the sum, or the difference, of scores whose seeds have nothing to do with each other.

        Seeds differ on one split by chance of the split too; only what differs beyond that counts as theirs. Several
        variances together are known better than the poorest of them, and no better than all of their degrees.

        Args:
            scores: Of each option, measured, (K,), and on resamples, (S, K); the same K for all.

        Source:
            Variance components of a one-way layout; Searle, Casella and McCulloch 1992, section 3.6. Degrees of freedom
            of a sum of variances: Satterthwaite 1946, doi 10.2307/3002019.
        """
        seeds = len(scores[0][0])
        if seeds == 1:
            return cls(variance=0.0, degrees=1.0)
        seen = [float(measured_K.var(ddof=1)) for measured_K, _ in scores]
        by_chance = [
            float((resampled_SK - measured_K).var(axis=1, ddof=1).mean()) for measured_K, resampled_SK in scores
        ]
        return cls(variance=max(0.0, sum(seen) - sum(by_chance)) / seeds, degrees=(seeds - 1) * _summands(seen))


def _summands(variances: Sequence[float]) -> float:
    """Return to how many equal variances these amount: 1 where one has all, their number where they are equal."""
    squares = sum(variance**2 for variance in variances)
    return sum(variances) ** 2 / squares if squares else 1.0
