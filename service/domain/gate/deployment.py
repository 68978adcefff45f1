"""The gate's rules on what calls are worth where the model will run. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from cellgate.contract.experiment import AT_PREVALENCE, DEPLOYMENT_THRESHOLDS, Policy
from cellgate.contract.prevalence import alerts_share, f1_at, precision_at
from cellgate.contract.results import Metrics
from service.domain.gate.inputs import NAMES, Finding, GateInputs, GateRule, links, values
from service.domain.statistics import is_above


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score for deployment.

    Args:
        check: Of `DEPLOYMENT_THRESHOLDS`.
        name: For people.
        value: From recall, false-alarm rate and prevalence; None for a score of the run itself.
        highest: Whether the policy names the highest value that passes, rather than the lowest.
        digits: That are shown.
    """

    check: str
    name: str
    value: Callable[[float, float, float], float] | None
    highest: bool
    digits: int = 4


def _alerts_per_1000(recall: float, false_alarms: float, prevalence: float) -> float:
    return 1000 * alerts_share(recall, false_alarms, prevalence)


SCORES = (
    Score(check="deployment_precision", name="precision", value=precision_at, highest=False),
    Score(check="deployment_f1", name="F1", value=f1_at, highest=False),
    Score(check="deployment_alerts", name="alerts per 1,000 functions", value=_alerts_per_1000, highest=True, digits=1),
    Score(check="vd_s", name="VD-S", value=None, highest=True),
)


def _rule(score: Score) -> Callable[[GateInputs, Policy], Finding | None]:
    def evaluate(inputs: GateInputs, policy: Policy) -> Finding | None:
        threshold: float | None = getattr(policy, DEPLOYMENT_THRESHOLDS[score.check])
        if threshold is None:
            return None
        return _finding(score, inputs, threshold, policy.deployment_prevalence)

    return evaluate


def _finding(score: Score, inputs: GateInputs, threshold: float, prevalence: float | None) -> Finding:
    def of_run(metrics: Metrics | None) -> float | None:
        return None if metrics is None else _value(score, metrics, prevalence)

    means = {}
    for cell in NAMES:
        found = [of_run(run.metrics) for run in inputs.of(cell)]
        known = [value for value in found if value is not None]
        if known and len(known) == len(found):
            means[cell] = fmean(known)
    beyond = {
        cell: mean
        for cell, mean in means.items()
        if (is_above(mean, threshold) if score.highest else is_above(threshold, mean))
    }
    where = f" at a prevalence of {prevalence:g}" if score.check in AT_PREVALENCE else ""
    shown = " and ".join(f"{mean:.{score.digits}f} (cell {cell})" for cell, mean in (beyond or means).items())
    reason = f"{score.name}{where}: {shown}; {threshold:g} or {'less' if score.highest else 'more'} is wanted"
    if len(means) < len(NAMES):
        reason = f"{score.name}{where} of 51 or 52 was not measured: runs are missing, or the gate split has one class"
    worst = max if score.highest else min
    return Finding(
        passed=len(means) == len(NAMES) and not beyond,
        threshold=threshold,
        measured=worst(means.values()) if means else None,
        reason=reason,
        seeds=values(inputs, lambda run: of_run(run.metrics)),
        evidence=links(inputs.runs),
    )


def _value(score: Score, metrics: Metrics, prevalence: float | None) -> float | None:
    if score.value is None:
        return metrics.vd_s
    negatives = metrics.rows - metrics.positives
    if prevalence is None or not metrics.positives or not negatives:
        return None
    return score.value(metrics.true_positives / metrics.positives, metrics.false_positives / negatives, prevalence)


RAISE_THE_THRESHOLD = (
    "At the prevalence where the model will run most alerts may be false: raise the threshold, or train on more safe"
    " functions."
)
DEPLOYMENT = tuple(
    GateRule(
        name=score.check,
        evaluate=_rule(score),
        advice="Too few vulnerable functions rank above all but a few safe ones: look at the safe ones on top."
        if score.value is None
        else RAISE_THE_THRESHOLD,
    )
    for score in SCORES
)
