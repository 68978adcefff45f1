"""How sure F1 over seeds is: which functions gate happens to hold, and which seeds happened to be trained."""

# Shapes: R rows, M models (an option of one seed each), K seeds of one option, S resamples.
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cellgate.contract.evidence import Interval
from trainers.engine.metrics import Floats, Integers
from trainers.evaluation.statistics import Booleans, bootstrap_f1, count_by_group, f1_of_counts, percentile_interval


@dataclass(frozen=True, kw_only=True)
class ResampledF1:
    """All models on one split, with their F1 on the same resamples of its groups.

    Args:
        f1_M: As measured.
        resampled_SM: On each resample.
        seed: Of the resamples.
        confidence: Of every interval.
    """

    f1_M: Floats
    resampled_SM: Floats
    seed: int
    confidence: float

    @classmethod
    def of(
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
        f1_M = f1_of_counts(counts.true_positives_GM.sum(axis=0), counts.mistakes_GM.sum(axis=0))
        resampled_SM = bootstrap_f1(counts, resamples=resamples, seed=seed)
        return cls(f1_M=f1_M, resampled_SM=resampled_SM, seed=seed, confidence=confidence)

    def interval(self, members: Sequence[int]) -> Interval:
        """Return the interval of one option's F1.

        Args:
            members: The option's models, one per seed.
        """
        chosen = list(members)
        values_S = self._over_seeds(self.f1_M[chosen], self.resampled_SM[:, chosen])
        return percentile_interval(np.clip(values_S, 0.0, 1.0), confidence=self.confidence)

    def difference_interval(self, first: Sequence[int], second: Sequence[int]) -> Interval:
        """Return the interval of the difference in F1 of two options, paired by resample and by seed."""
        one, other = list(first), list(second)
        values_S = self._over_seeds(
            self.f1_M[one] - self.f1_M[other], self.resampled_SM[:, one] - self.resampled_SM[:, other]
        )
        return percentile_interval(np.clip(values_S, -1.0, 1.0), confidence=self.confidence)

    def _over_seeds(self, measured_K: Floats, resampled_SK: Floats) -> Floats:
        """Return the mean over seeds on each resample, moved as other seeds would move it.

        Seeds differ on one split by chance of the split too; only what differs beyond that counts as theirs. With one
        seed it cannot be known, and the interval is that of the one model.

        Source:
            Variance components of a one-way layout; Searle, Casella and McCulloch 1992, section 3.6.
        """
        mean_S: Floats = resampled_SK.mean(axis=1)
        seeds = len(measured_K)
        if seeds == 1:
            return mean_S
        by_chance = float((resampled_SK - measured_K).var(axis=1, ddof=1).mean())
        of_seeds = max(0.0, float(measured_K.var(ddof=1)) - by_chance)
        # Few seeds know their own spread badly: Student's t, not the normal.
        moved_S: Floats = np.random.default_rng([self.seed, seeds]).standard_t(seeds - 1, len(mean_S))
        return mean_S + moved_S * math.sqrt(of_seeds / seeds)
