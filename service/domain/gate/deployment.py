"""The gate's rules on what calls are worth where the model will run. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from cellgate.contract.abstention import least_within
from cellgate.contract.experiment import DEPLOYMENT_THRESHOLDS, Policy
from cellgate.contract.prevalence import alerts_share, f1_at, precision_at
from service.domain.gate.inputs import NAMES, Finding, GateInputs, GateRule, RunFacts, links, values
from service.domain.statistics import is_above

ONE_CLASS = "the gate split has one class"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score for deployment.

    Args:
        check: Of `DEPLOYMENT_THRESHOLDS`.
        name: For people; what stands in braces is the policy's.
        of_run: The value of one run under a policy; None where it was not measured.
        highest: Whether the policy names the highest value that passes, rather than the lowest.
        advice: What to do when it fails.
        unknown: Why a run that has a result may lack it.
        digits: That are shown.
    """

    check: str
    name: str
    of_run: Callable[[RunFacts, Policy], float | None]
    highest: bool
    advice: str
    unknown: str = ONE_CLASS
    digits: int = 4


def _finding(score: Score, inputs: GateInputs, policy: Policy) -> Finding | None:
    threshold: float | None = getattr(policy, DEPLOYMENT_THRESHOLDS[score.check])
    if threshold is None:
        return None
    means = {}
    for cell in NAMES:
        found = [score.of_run(run, policy) for run in inputs.of(cell)]
        known = [value for value in found if value is not None]
        if known and len(known) == len(found):
            means[cell] = fmean(known)
    beyond = {
        cell: mean
        for cell, mean in means.items()
        if (is_above(mean, threshold) if score.highest else is_above(threshold, mean))
    }
    name = score.name.format(prevalence=policy.deployment_prevalence, risk=policy.selective_risk)
    shown = " and ".join(f"{mean:.{score.digits}f} (cell {cell})" for cell, mean in (beyond or means).items())
    reason = f"{name}: {shown}; {threshold:g} or {'less' if score.highest else 'more'} is wanted"
    if len(means) < len(NAMES):
        reason = f"{name} of 51 or 52 was not measured: runs are missing, or {score.unknown}"
    worst = max if score.highest else min
    return Finding(
        passed=len(means) == len(NAMES) and not beyond,
        threshold=threshold,
        measured=worst(means.values()) if means else None,
        reason=reason,
        seeds=values(inputs, lambda run: score.of_run(run, policy)),
        evidence=links(inputs.runs),
    )


def _at_prevalence(run: RunFacts, policy: Policy, *, score: Callable[[float, float, float], float]) -> float | None:
    """Return a score of recall, false-alarm rate and prevalence."""
    metrics, prevalence = run.metrics, policy.deployment_prevalence
    if metrics is None or prevalence is None:
        return None
    negatives = metrics.rows - metrics.positives
    if not metrics.positives or not negatives:
        return None
    return score(metrics.true_positives / metrics.positives, metrics.false_positives / negatives, prevalence)


def _alerts_per_1000(recall: float, false_alarms: float, prevalence: float) -> float:
    return 1000 * alerts_share(recall, false_alarms, prevalence)


def _vd_s(run: RunFacts, _policy: Policy) -> float | None:
    return None if run.metrics is None else run.metrics.vd_s


def _coverage(run: RunFacts, policy: Policy) -> float | None:
    """Return the share of functions with a verdict; 0 where no margin keeps to the risk."""
    margins = () if run.result is None else run.result.margins
    if not margins or policy.selective_risk is None:
        return None
    place = least_within([margin.risk_bound for margin in margins], policy.selective_risk)
    return 0.0 if place is None else margins[place].coverage


RAISE_THE_THRESHOLD = (
    "At the prevalence where the model will run most alerts may be false: raise the threshold, or train on more safe"
    " functions."
)
SCORES = (
    Score(
        check="deployment_precision",
        name="precision at a prevalence of {prevalence:g}",
        of_run=partial(_at_prevalence, score=precision_at),
        highest=False,
        advice=RAISE_THE_THRESHOLD,
    ),
    Score(
        check="deployment_f1",
        name="F1 at a prevalence of {prevalence:g}",
        of_run=partial(_at_prevalence, score=f1_at),
        highest=False,
        advice=RAISE_THE_THRESHOLD,
    ),
    Score(
        check="deployment_alerts",
        name="alerts per 1,000 functions at a prevalence of {prevalence:g}",
        of_run=partial(_at_prevalence, score=_alerts_per_1000),
        highest=True,
        advice=RAISE_THE_THRESHOLD,
        digits=1,
    ),
    Score(
        check="vd_s",
        name="VD-S",
        of_run=_vd_s,
        highest=True,
        advice="Too few vulnerable functions rank above all but a few safe ones: look at the safe ones on top.",
    ),
    Score(
        check="coverage",
        name="share of functions with a verdict at a risk of {risk:g}",
        of_run=_coverage,
        highest=False,
        advice="The models are unsure, or dev is too small to show that they are sure: allow a higher risk, prepare a"
        " larger dev split, or train on more functions.",
        unknown="were trained by a release that did not measure it",
    ),
)
DEPLOYMENT = tuple(
    GateRule(name=score.check, evaluate=partial(_finding, score), advice=score.advice) for score in SCORES
)
