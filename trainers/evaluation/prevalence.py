"""What an option's calls are worth where vulnerable functions are as rare as the policy says."""

# Shapes: R rows of gate, G groups, M models (an option of one seed each), S resamples, K distinct scores.
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cellgate.contract.configs import AggregationConfig
from cellgate.contract.evidence import DeploymentScores, Estimate
from trainers.engine.metrics import VD_S_MAX_FPR, Floats, Integers, vulnerability_detection_score
from trainers.evaluation.statistics import Booleans, Resampled, group_draws, ratio, sum_by_group

# Resamples times rows that are ranked at once.
BLOCK_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """How often models call vulnerable functions vulnerable, and safe ones; two arrays of one shape, each 0 to 1."""

    recall: Floats
    false_alarms: Floats

    def alerts(self, prevalence: float) -> Floats:
        """Return the share of all functions that is called vulnerable.

        Args:
            prevalence: Share of vulnerable functions, 0 to 1.
        """
        return prevalence * self.recall + (1 - prevalence) * self.false_alarms

    def precision(self, prevalence: float) -> Floats:
        """Return the share of the alerts that is right, 0 without an alert.

        Args:
            prevalence: Share of vulnerable functions, 0 to 1.

        Source:
            Bayes' rule; Axelsson 2000, doi 10.1145/357830.357849, section 4 (base-rate fallacy).
        """
        return ratio(prevalence * self.recall, self.alerts(prevalence))

    def f1(self, prevalence: float) -> Floats:
        """Return the harmonic mean of precision and recall: twice the true alerts over alerts and vulnerable functions.

        Args:
            prevalence: Share of vulnerable functions, above 0.
        """
        return ratio(2 * prevalence * self.recall, self.alerts(prevalence) + prevalence)


SCORES: Mapping[str, Callable[[ErrorRates, float], Floats]] = {
    "precision": ErrorRates.precision,
    "f1": ErrorRates.f1,
    "alerts": ErrorRates.alerts,
    "recall": lambda rates, _prevalence: rates.recall,
}


@dataclass(frozen=True, kw_only=True)
class ScoresAtPrevalence:
    """All models at one prevalence, measured and on resamples of the split's groups.

    Args:
        prevalence: Share of vulnerable functions, above 0 and below 1.
        scores: By name, as in `SCORES`, and `vd_s`.
    """

    prevalence: float
    scores: Mapping[str, Resampled]

    @classmethod
    def of(
        cls,
        labels_R: Integers,
        called_RM: Booleans,
        log_odds_RM: Floats,
        group_R: Integers,
        *,
        config: AggregationConfig,
    ) -> Self | None:
        """Return the models' scores; None where no prevalence is stated, or the split lacks one of the two classes.

        Recall and the rate of false alarms are taken to be the split's: they do not change with prevalence alone.

        Args:
            labels_R: 0 or 1.
            called_RM: True where a model calls a function vulnerable.
            log_odds_RM: What ranks the functions.
            group_R: Number of each row's group, 0 to G - 1.
            config: Prevalence, resamples, their seed and the confidence; the same as of F1 give the same resamples.
        """
        prevalence = config.deployment_prevalence
        positive_R1 = (labels_R == 1)[:, np.newaxis]
        if prevalence is None or positive_R1.all() or not positive_R1.any():
            return None
        counts = (positive_R1, ~positive_R1, called_RM & positive_R1, called_RM & ~positive_R1)
        counts_G = [sum_by_group(count, group_R) for count in counts]
        measured = _rates(*(count.sum(axis=0, keepdims=True) for count in counts_G))
        rates, missed = [], []
        for times_SG in _draws_with_both(counts_G[0], counts_G[1], len(labels_R), config):
            rates.append(_rates(*(times_SG @ count for count in counts_G)))
            missed.append(resampled_vd_s(labels_R, log_odds_RM, group_R, times_SG))
        resampled = ErrorRates(
            recall=np.concatenate([block.recall for block in rates]),
            false_alarms=np.concatenate([block.false_alarms for block in rates]),
        )

        def estimated(measured_M: Floats, resampled_SM: Floats) -> Resampled:
            return Resampled(
                measured_M=measured_M,
                resampled_SM=resampled_SM,
                seed=config.bootstrap_seed,
                confidence=config.confidence,
            )

        scores = {
            name: estimated(score(measured, prevalence)[0], score(resampled, prevalence))
            for name, score in SCORES.items()
        }
        vd_s_M = [vulnerability_detection_score(labels_R, log_odds_R) for log_odds_R in log_odds_RM.T]
        return cls(
            prevalence=prevalence,
            scores={**scores, "vd_s": estimated(np.array(vd_s_M, dtype=np.float64), np.concatenate(missed))},
        )

    def of_option(self, members: Sequence[int]) -> DeploymentScores:
        """Return one option's scores.

        Args:
            members: The option's models, one per seed.
        """
        return DeploymentScores(
            prevalence=self.prevalence,
            precision=self.estimate("precision", members),
            f1=self.estimate("f1", members),
            alerts_per_1000=self.estimate("alerts", members, scale=1000),
            vd_s=self.estimate("vd_s", members),
        )

    def estimate(self, name: str, members: Sequence[int], *, scale: float = 1) -> Estimate:
        """Return one option's score.

        Args:
            name: Of the score.
            members: The option's models, one per seed.
            scale: What it is multiplied by.
        """
        return self.scores[name].estimate(members, scale=scale)


def _draws_with_both(
    positives_G1: Floats, negatives_G1: Floats, rows: int, config: AggregationConfig
) -> Iterator[Floats]:
    """Yield how often each group is drawn, (S, G), where both classes are: of other resamples there is nothing to say.

    Args:
        rows: R, which bounds the size of a block.
    """
    at_once = max(1, BLOCK_CELLS // rows)
    for times_SG in group_draws(len(positives_G1), resamples=config.resamples, seed=config.bootstrap_seed):
        both_S = ((times_SG @ positives_G1 > 0) & (times_SG @ negatives_G1 > 0))[:, 0]
        drawn_SG = times_SG[both_S]
        for first in range(0, len(drawn_SG), at_once):
            yield drawn_SG[first : first + at_once]


def _rates(positives_S1: Floats, negatives_S1: Floats, found_SM: Floats, alarms_SM: Floats) -> ErrorRates:
    return ErrorRates(recall=found_SM / positives_S1, false_alarms=alarms_SM / negatives_S1)


def resampled_vd_s(labels_R: Integers, log_odds_RM: Floats, group_R: Integers, times_SG: Floats) -> Floats:
    """Return each model's VD-S on each resample, (S, M).

    Args:
        labels_R: 0 or 1.
        log_odds_RM: What ranks the functions.
        group_R: Number of each row's group, 0 to G - 1.
        times_SG: How often each group is drawn; both classes are in every resample.
    """
    columns = []
    for log_odds_R in log_odds_RM.T:
        order_R = np.argsort(-log_odds_R, kind="stable")
        sorted_R = log_odds_R[order_R]
        last_K = np.flatnonzero(np.append(sorted_R[1:] != sorted_R[:-1], True))
        positive_R = labels_R[order_R] == 1
        times_SR = times_SG[:, group_R[order_R]]
        found_SK = np.cumsum(times_SR * positive_R, axis=1)[:, last_K]
        alarms_SK = np.cumsum(times_SR * ~positive_R, axis=1)[:, last_K]
        # Both rise along the ranking: the last cut that is allowed finds most.
        allowed_S = (alarms_SK / alarms_SK[:, -1:] <= VD_S_MAX_FPR).sum(axis=1)
        most_S = np.take_along_axis(found_SK, np.maximum(allowed_S - 1, 0)[:, np.newaxis], axis=1)[:, 0]
        columns.append(1 - np.where(allowed_S > 0, most_S, 0.0) / found_SK[:, -1])
    return np.stack(columns, axis=1)
