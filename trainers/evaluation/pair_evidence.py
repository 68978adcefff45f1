"""What the models call both functions of a pair, with the intervals of each verdict's share."""

# Shapes: R rows of gate, P pairs, G groups, M models (an option of one seed each).
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np

from cellgate.contract.configs import AggregationConfig
from cellgate.contract.evidence import PairShare, PairVerdictName, PairVerdicts
from trainers.engine.pairs import Booleans, Integers, pair_verdicts
from trainers.evaluation.statistics import Resampled


@dataclass(frozen=True, kw_only=True)
class PairScores:
    """All models on the pairs of one split.

    Args:
        pairs: How many there are, at least one.
        shares: Of pairs with each verdict, on resamples of the split's groups.
    """

    pairs: int
    shares: Mapping[PairVerdictName, Resampled]

    @classmethod
    def of(cls, pair_P2: Integers, called_RM: Booleans, group_R: Integers, *, config: AggregationConfig) -> Self | None:
        """Return the models' verdicts on resamples of whole groups; None without a pair.

        Args:
            pair_P2: Rows of each pair, the vulnerable function first. A pair that is divided between two groups counts
                in that function's.
            called_RM: True where a model calls a function vulnerable.
            group_R: Number of each row's group, 0 to G - 1.
            config: Resamples, their seed and the confidence; the same as of F1 give the same resamples.
        """
        if not len(pair_P2):
            return None
        group_P, groups = group_R[pair_P2[:, 0]], int(group_R.max()) + 1
        whole_G = np.bincount(group_P, minlength=groups).astype(np.float64)

        def resampled(given_PM: Booleans) -> Resampled:
            part_GM = np.zeros((groups, given_PM.shape[1]))
            np.add.at(part_GM, group_P, given_PM)
            return Resampled.of_shares(
                part_GM,
                whole_G,
                resamples=config.resamples,
                seed=config.bootstrap_seed,
                confidence=config.confidence,
            )

        given = pair_verdicts(pair_P2, called_RM)
        return cls(pairs=len(pair_P2), shares={verdict: resampled(given_PM) for verdict, given_PM in given.items()})

    def verdicts(self, members: Sequence[int]) -> PairVerdicts:
        """Return one option's verdicts.

        Args:
            members: The option's models, one per seed.
        """
        return PairVerdicts(
            pairs=self.pairs,
            correct=self._share("correct", members),
            vulnerable=self._share("vulnerable", members),
            benign=self._share("benign", members),
            reversed=self._share("reversed", members),
        )

    def _share(self, verdict: PairVerdictName, members: Sequence[int]) -> PairShare:
        shares = self.shares[verdict]
        per_seed: list[float] = shares.measured_M[list(members)].tolist()
        return PairShare(per_seed=per_seed, mean=fmean(per_seed), interval=shares.interval(members))
