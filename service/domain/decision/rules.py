"""The decision: ship the ensemble, a single model or fusion, train fusion first, or improve 51 and 52. Pure.

The rule, on F1 over the gate split (means over seeds; exactly at a threshold is not above it):

1. Gate failed: improve.
2. The best option without fusion is the fixed ensemble if its F1 is above that of the better single model, else that
   single model (the transformer if both are equal): without a gain the simpler thing is shipped. Where the policy lets
   it (`ship_tuned_ensemble`), the ensemble tuned on fuse takes its place if its F1 is above that.
3. Bases: it is shipped when its F1 is above `skip_fusion_f1`; else fusion is trained. `policy.fusion` may be never
   (ship it all the same) or always (train fusion in any case, to measure what it adds).
4. Final: fusion is shipped if its F1 is above that of the best option without fusion, else that option.
5. All seeds of what is shipped go together if that has a higher F1 than the seed that was best on dev, else that seed
   alone: without a gain the simpler thing is shipped.

The answer is clear when the 95 % interval of the quantity that decided excludes its threshold, else borderline:
F1 against `skip_fusion_f1`, fusion's gain against zero, or, where only the choice between ensemble and single model
was open (fusion never, or finished on no seed), the ensemble's gain against zero.
Whatever simpler option is not surely weaker than what is shipped is named, with the reason why it is not shipped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cellgate.contract.decision import Decision, DecisionOutcome, Stage
from cellgate.contract.evidence import Comparison, Evidence, Interval, OptionEvidence
from cellgate.contract.experiment import Policy
from cellgate.contract.files import sha256_of_json
from cellgate.contract.gate import GateReport
from cellgate.contract.options import OUTCOMES, SINGLES, Option
from service.domain.decision.text import (
    describe_as_strong,
    describe_difference,
    describe_forms,
    describe_gate_failure,
    describe_looks,
    describe_no_better_than_linear,
    describe_option,
    describe_split,
    describe_trials,
    next_steps_to_improve,
    next_steps_to_ship,
)
from service.domain.statistics import is_above

Confidence = Literal["clear", "borderline"]
# How much there is to run and to explain, of what may be shipped: a single model, fixed weights, fitted ones, a head.
_PARTS: Mapping[Option, int] = {"transformer": 1, "gnn": 1, "ensemble": 2, "ensemble_tuned": 3, "fusion": 4}


@dataclass(frozen=True, kw_only=True)
class DecisionDraft:
    """Result of the rule, without experiment, stage and evidence."""

    outcome: DecisionOutcome
    option: Option | None
    confidence: Confidence
    rule: str
    reasons: list[str]
    next_steps: list[str]
    seeds: Sequence[int] = ()


def decide(evidence: Evidence | None, gate: GateReport, policy: Policy, *, stage: Stage) -> Decision:
    """Return the decision at this stage.

    Args:
        evidence: Cell 54's; None if it could not be made, which is allowed only when the gate failed.
        gate: The gate's report, pass or fail.
        policy: Thresholds of the experiment.
        stage: bases: after 51 and 52; final: after fusion.

    Raises:
        ValueError: The gate is pending, or it has passed and the evidence for what must be decided is missing.
    """
    if gate.verdict == "pending":
        raise ValueError(f"the gate of {gate.experiment} is pending: there is nothing to decide yet")
    if gate.verdict == "fail":
        verdict = _improve(evidence, gate, policy)
    elif evidence is None:
        raise ValueError(f"the gate of {gate.experiment} has passed, but there is no evidence to decide on")
    elif stage == "bases":
        verdict = _after_bases(evidence, policy)
    else:
        verdict = _after_fusion(evidence, policy)
    return Decision(
        experiment=gate.experiment,
        stage=stage,
        outcome=verdict.outcome,
        option=verdict.option,
        seeds=list(verdict.seeds),
        confidence=verdict.confidence,
        rule=verdict.rule,
        reasons=[*verdict.reasons, *describe_trials(policy.trials), *describe_looks(policy.looks)],
        next_steps=verdict.next_steps,
        evidence=evidence,
        evidence_hash=None if evidence is None else sha256_of_json(evidence.model_dump(mode="json")),
    )


def best_without_fusion(evidence: Evidence, policy: Policy) -> OptionEvidence:
    """Return the best of what may be shipped without fusion; without a gain the simpler one."""
    best, *others = _without_fusion(evidence, policy)
    for option in others:
        best = option if is_above(option.f1, best.f1) else best
    return best


def _without_fusion(evidence: Evidence, policy: Policy) -> list[OptionEvidence]:
    """Return the better single model, then the ensembles that the policy lets be shipped."""
    tuned = [option for option in evidence.options if option.option == "ensemble_tuned" and policy.ship_tuned_ensemble]
    return [_better_single(evidence), _option(evidence, "ensemble"), *tuned]


def _improve(evidence: Evidence | None, gate: GateReport, policy: Policy) -> DecisionDraft:
    failed = [check for check in gate.checks if check.blocking and check.verdict == "fail"]
    # A check without an interval is a fact; an F1 below its threshold is clear only when its interval is too.
    uncertain = all(check.interval is not None and check.interval[1] > policy.gate_f1 for check in failed)
    names = ", ".join(check.title for check in failed)
    return DecisionDraft(
        outcome="improve",
        option=None,
        confidence="borderline" if uncertain else "clear",
        rule=f"the validation gate failed ({names}): improve cells 51 and 52 before anything is fused or shipped",
        reasons=describe_gate_failure(failed, evidence),
        next_steps=next_steps_to_improve(failed, evidence),
    )


def _after_bases(evidence: Evidence, policy: Policy) -> DecisionDraft:
    best = best_without_fusion(evidence, policy)
    threshold = policy.skip_fusion_f1
    above = is_above(best.f1, threshold)
    comparison = f"F1 of {best.option}, the best without fusion, {best.f1:.4f}"
    comparison += f" is {'above' if above else 'not above'} {threshold:g}"
    reasons = [describe_split(evidence), describe_option(best), *_why_this_one(evidence, policy)]
    confidence: Confidence = "clear" if _excludes(best.f1_interval, threshold) else "borderline"
    if policy.fusion == "never":
        rule = f"{comparison}; the policy says never to train fusion: ship {best.option}"
        return _ship(best, evidence, policy, _confidence_in_choice(best, evidence, policy), rule, reasons)
    if policy.fusion == "always":
        rule = f"{comparison}; the policy says always to train fusion, to measure what it adds"
        return _train_fusion("clear", rule, reasons)
    if above:
        return _ship(best, evidence, policy, confidence, f"{comparison}: ship {best.option} without fusion", reasons)
    return _train_fusion(confidence, f"{comparison}: train fusion", reasons)


def _after_fusion(evidence: Evidence, policy: Policy) -> DecisionDraft:
    best = best_without_fusion(evidence, policy)
    reasons = [describe_split(evidence), describe_option(best), *_why_this_one(evidence, policy)]
    fusion = next((option for option in evidence.options if option.option == "fusion"), None)
    if fusion is None:
        rule = f"fusion finished on no seed: ship {best.option}, the best without it"
        return _ship(best, evidence, policy, _confidence_in_choice(best, evidence, policy), rule, reasons)
    difference = _difference(evidence, "fusion", best.option)
    gains = is_above(fusion.f1, best.f1)
    chosen = fusion if gains else best
    rule = f"F1 of fusion, {fusion.f1:.4f}, is {'above' if gains else 'not above'} that of {best.option},"
    rule += f" the best without fusion, {best.f1:.4f}: ship {chosen.option}"
    reasons += [describe_option(fusion)]
    # A tuned ensemble that does as well would be the simpler thing; a reader must see that.
    compared = [difference]
    if best.option != "ensemble_tuned":
        compared.append(_difference(evidence, "fusion", "ensemble_tuned"))
    reasons += [describe_difference(found) for found in compared if found is not None]
    sure = difference is not None and _excludes(difference.f1_interval, 0.0)
    return _ship(chosen, evidence, policy, "clear" if sure else "borderline", rule, reasons)


def _ship(
    chosen: OptionEvidence,
    evidence: Evidence,
    policy: Policy,
    confidence: Confidence,
    rule: str,
    reasons: list[str],
) -> DecisionDraft:
    forms = [form for form in evidence.shippable if form.option == chosen.option]
    # The best seed alone stands first, and stays where all together have no more.
    seeds = max(forms, key=lambda form: form.f1).seeds if forms else chosen.seeds
    outcome = OUTCOMES[chosen.option]
    if outcome is None:
        raise ValueError(f"{chosen.option} is measured and shown, but no outcome of a decision ships it")
    return DecisionDraft(
        outcome=outcome,
        option=chosen.option,
        confidence=confidence,
        rule=rule,
        reasons=[
            *_beside_linear(chosen, evidence),
            *reasons,
            *_beside_simpler(chosen, evidence, policy),
            *describe_forms(forms),
        ],
        next_steps=next_steps_to_ship(chosen, seeds, confidence),
        seeds=seeds,
    )


def _beside_linear(chosen: OptionEvidence, evidence: Evidence) -> list[str]:
    """Say first that what is shipped is not surely better than a linear model, where that is so."""
    linear = next((option for option in evidence.options if option.option == "linear"), None)
    difference = _difference(evidence, chosen.option, "linear")
    if linear is None or difference is None or difference.f1_interval.low > 0:
        return []
    return [describe_no_better_than_linear(chosen, linear, difference)]


def _beside_simpler(chosen: OptionEvidence, evidence: Evidence, policy: Policy) -> list[str]:
    """Name every simpler option that is not surely weaker, and why it is not shipped."""
    found = []
    for option in evidence.options:
        difference = _difference(evidence, chosen.option, option.option)
        simpler = _PARTS.get(option.option, math.inf) < _PARTS[chosen.option]
        # Decisions on evidence without p-values were taken before, and read as they were taken.
        if difference is None or difference.p is None or not simpler or difference.f1_interval.low > 0:
            continue
        is_barred = option.option == "ensemble_tuned" and not policy.ship_tuned_ensemble
        found.append(describe_as_strong(option, difference, is_barred=is_barred))
    return found


def _train_fusion(confidence: Confidence, rule: str, reasons: list[str]) -> DecisionDraft:
    return DecisionDraft(
        outcome="train_fusion",
        option=None,
        confidence=confidence,
        rule=rule,
        reasons=reasons,
        next_steps=["Train cell 53 over the frozen bases of every finished seed, then weigh all options again (54)."],
    )


def _confidence_in_choice(best: OptionEvidence, evidence: Evidence, policy: Policy) -> Confidence:
    """Return how sure it is that the best without fusion beats the next best of what may be shipped."""
    others = [option for option in _without_fusion(evidence, policy) if option.option != best.option]
    difference = _difference(evidence, best.option, max(others, key=lambda option: option.f1).option)
    return "clear" if difference is not None and _excludes(difference.f1_interval, 0.0) else "borderline"


def _better_single(evidence: Evidence) -> OptionEvidence:
    return max((_option(evidence, name) for name in SINGLES), key=lambda option: option.f1)


def _why_this_one(evidence: Evidence, policy: Policy) -> list[str]:
    """Compare the fixed ensemble with the better single model, and name a tuned ensemble that does better."""
    single = _better_single(evidence)
    ensemble = _option(evidence, "ensemble")
    difference = _difference(evidence, "ensemble", single.option)
    reasons = [] if difference is None else [describe_difference(difference)]
    tuned = next((option for option in evidence.options if option.option == "ensemble_tuned"), None)
    if tuned is not None and policy.ship_tuned_ensemble:
        against = _difference(evidence, "ensemble_tuned", "ensemble")
        return [*reasons, *([] if against is None else [describe_difference(against)])]
    if tuned is not None and tuned.text_weight is not None and is_above(tuned.f1, ensemble.f1):
        # As decisions on evidence without p-values said it.
        barred = "the rule knows only the fixed ones"
        if difference is not None and difference.p is not None:
            barred = "the policy does not let it be shipped (ship_tuned_ensemble)"
        reasons.append(
            f"The ensemble tuned on the fuse split (text weight {tuned.text_weight:.2f}) has F1 {tuned.f1:.4f} against"
            f" {ensemble.f1:.4f} with the fixed weights; {barred}."
        )
    return reasons


def _option(evidence: Evidence, name: Option) -> OptionEvidence:
    for option in evidence.options:
        if option.option == name:
            return option
    raise ValueError(f"the evidence has no option {name}: cell 54 must weigh transformer, gnn and ensemble")


def _difference(evidence: Evidence, first: Option, second: Option) -> Comparison | None:
    """Return the comparison `first` minus `second`, turned round if it was made the other way."""
    for found in evidence.comparisons:
        if (found.first, found.second) == (first, second):
            return found
        if (found.first, found.second) == (second, first):
            low, high = -found.f1_interval.high, -found.f1_interval.low
            return found.model_copy(
                update={
                    "first": first,
                    "second": second,
                    "f1_difference": -found.f1_difference,
                    "f1_interval": found.f1_interval.model_copy(update={"low": low, "high": high}),
                }
            )
    return None


def _excludes(interval: Interval, value: float) -> bool:
    return interval.low > value or interval.high < value
