"""Sentences for a decision: the measured evidence, its uncertainty, the next steps. Pure."""

from collections.abc import Sequence

from cellgate.contract.evidence import Comparison, DeploymentCandidate, Evidence, Interval, KindEvidence, OptionEvidence
from cellgate.contract.gate import GateCheck
from cellgate.contract.options import OPTIONS, Option
from cellgate.contract.text import name_seeds
from service.domain.gate.report import ADVICE

# Scores of slices with fewer functions reflect chance more than the model.
MIN_ADVICE_ROWS = 10
WEAKEST_SLICES = 3
# By so much more of the misses than of all vulnerable functions must be cut to be worth a sentence, and by so much must
# an F1 be surely above that of calling everything vulnerable.
NOTABLE_SHARE = 0.05


def describe_trials(trials: int) -> list[str]:
    """Return of how many configs this one was chosen; nothing for the only one."""
    if trials == 1:
        return []
    return [
        f"its configs were chosen out of {trials} that were tried on this data set: by the choice, scores on the split "
        "that chose are too good"
    ]


def describe_looks(looks: int) -> list[str]:
    """Return how often seeds were added until this answer; nothing for the first one."""
    if looks == 1:
        return []
    added = "once" if looks == 2 else f"{looks - 1} times"
    return [
        f"seeds were added {added}, since the answer before was borderline: a clear answer after that is wrong more "
        "often than one at the first look, in a tie about twice as often after three times"
    ]


def describe_split(evidence: Evidence) -> str:
    """Return the size of the gate split and its trivial F1 as a sentence."""
    return (
        f"Measured on {evidence.rows} functions of the gate split, {evidence.positives} of them vulnerable, in"
        f" {evidence.groups} groups; calling every function vulnerable has F1 {evidence.all_positive_f1:.4f}."
    )


def describe_option(option: OptionEvidence) -> str:
    """Return the scores of one option as a sentence."""
    seeds = f"{len(option.seeds)} seed{'s' if len(option.seeds) > 1 else ''}"
    pairs = "" if option.pair_verdicts is None else f", pairs right {option.pair_verdicts.correct.mean:.3f}"
    return (
        f"{option.option}: mean F1 {option.f1:.4f} {_interval(option.f1_interval)} over {seeds}"
        f" (precision {option.precision:.3f}, recall {option.recall:.3f}, MCC {option.mcc:.3f}{pairs})."
    )


def describe_difference(comparison: Comparison) -> str:
    """Return the difference of two options on the same functions as a sentence."""
    interval = comparison.f1_interval
    found = (
        f"{comparison.first} minus {comparison.second}: F1 {comparison.f1_difference:+.4f} {_interval(interval)},"
        f" which {_excludes(interval)} zero"
    )
    # Evidence of older releases has no other p-value, and a decision on it reads as it was taken.
    if comparison.p is None or comparison.adjusted_p is None:
        return f"{found}; McNemar p = {comparison.holm_p:.3g} after Holm."
    return f"{found}; p = {comparison.p:.3g}, {comparison.adjusted_p:.3g} after Holm."


def describe_no_better_than_linear(chosen: OptionEvidence, linear: OptionEvidence, difference: Comparison) -> str:
    """Return that an option is not surely better than the linear model on the text as a sentence."""
    interval = _interval(difference.f1_interval)
    return (
        f"{chosen.option} is not surely better than a linear model on the text, which trains in seconds: F1"
        f" {chosen.f1:.4f} against {linear.f1:.4f}, {difference.f1_difference:+.4f} {interval}."
    )


def describe_as_strong(simpler: OptionEvidence, difference: Comparison, *, is_barred: bool) -> str:
    """Return that a simpler option is not surely weaker than the one that is shipped, and why it is not shipped.

    Args:
        simpler: That option.
        difference: What is shipped, minus it.
        is_barred: Whether the policy does not let it be shipped.
    """
    why = "the policy does not let it be shipped (ship_tuned_ensemble)" if is_barred else "the point estimate decides"
    return (
        f"{simpler.option} is simpler than {difference.first} and not surely weaker, with F1 {simpler.f1:.4f}"
        f" ({difference.f1_difference:+.4f} {_interval(difference.f1_interval)}); it is not shipped, since {why}."
    )


def describe_forms(forms: Sequence[DeploymentCandidate]) -> list[str]:
    """Return how the seed that was best on dev compares with all seeds together; nothing with a single seed."""
    if len(forms) < 2:
        return []
    best, together = forms
    text = (
        f"Of {best.option}, seed {best.seeds[0]} was best on dev and has F1 {best.f1:.4f}"
        f" {_interval(best.f1_interval)}; all {len(together.seeds)} seeds together have {together.f1:.4f}"
        f" {_interval(together.f1_interval)}"
    )
    if together.gain is None:
        return [f"{text}."]
    gained = together.gain.interval
    return [f"{text}: {together.gain.f1:+.4f} {_interval(gained)}, which {_excludes(gained)} zero."]


def describe_gate_failure(failed: Sequence[GateCheck], evidence: Evidence | None) -> list[str]:
    """Return the failed checks, and the weaknesses of each cell that missed its F1."""
    reasons = [f"{check.title}: {check.reason}." for check in failed]
    if evidence is None:
        return [*reasons, "There is no evidence over both cells: no seed of 51 and 52 finished together."]
    reasons.append(describe_split(evidence))
    for option in _weak_options(failed, evidence):
        reasons.append(describe_option(option))
        weakest = _weakest_slices(evidence, option.option)
        if weakest:
            reasons.append(f"{option.option} is weakest on {', '.join(weakest)}.")
    return reasons


def next_steps_to_improve(failed: Sequence[GateCheck], evidence: Evidence | None) -> list[str]:
    """Return the advice for each failed check."""
    steps = [ADVICE[check.name] for check in failed if check.name in ADVICE]
    if evidence is not None:
        steps += [
            _advice_for(option) + _what_is_learned(option, evidence) + _what_is_cut(option, evidence)
            for option in _weak_options(failed, evidence)
        ]
    return [*steps, "Then submit the experiment again; nothing that has finished is lost."]


def next_steps_to_ship(chosen: OptionEvidence, seeds: Sequence[int], confidence: str) -> list[str]:
    """Return the next steps with the chosen option.

    Args:
        chosen: The option to ship.
        seeds: The seeds that go into the bundle.
        confidence: `clear` or `borderline`.
    """
    steps = [
        f"Pack it (cellgate bundle pack): {chosen.option}, {name_seeds(seeds)}; then score code with cellgate predict."
    ]
    if confidence == "borderline":
        steps.append("The evidence is borderline: more seeds or a larger gate split would make it firmer.")
    return steps


def _advice_for(option: OptionEvidence) -> str:
    if option.recall < option.precision:
        return (
            f"Improve {option.option}: it misses vulnerable functions, with recall {option.recall:.3f} at precision"
            f" {option.precision:.3f}: more positives of the weak kinds, longer training or a larger model."
        )
    return (
        f"Improve {option.option}: it calls safe functions vulnerable, with precision {option.precision:.3f} at recall"
        f" {option.recall:.3f}: more patched counterparts, or stronger regularisation."
    )


def _what_is_learned(option: OptionEvidence, evidence: Evidence) -> str:
    """Return a sentence if a model is hardly better than calling everything vulnerable, else nothing."""
    nothing = evidence.all_positive_f1
    if option.f1_interval.low > nothing + NOTABLE_SHARE:
        return ""
    return (
        f" Calling every function vulnerable has F1 {nothing:.4f}: it has learned little that is sure. Look at the"
        " labels and at what gives them away (the gate's warnings) before training longer."
    )


def _what_is_cut(option: OptionEvidence, evidence: Evidence) -> str:
    """Return a sentence if a model's misses are cut more often than vulnerable functions are, else nothing."""
    cut = evidence.truncation.get(option.option)
    if cut is None or not cut.misses or not cut.positives:
        return ""
    of_misses, of_positives = cut.misses_cut / cut.misses, cut.positives_cut / cut.positives
    if of_misses < of_positives + NOTABLE_SHARE:
        return ""
    return (
        f" {of_misses:.0%} of its misses are functions cut at {cut.limit} {cut.unit}, and {of_positives:.0%} of all"
        " vulnerable ones."
    )


def _weak_options(failed: Sequence[GateCheck], evidence: Evidence) -> list[OptionEvidence]:
    missed = {check.cell for check in failed if check.cell is not None}
    weak = {option.name for option in OPTIONS if option.outcome == "single" and missed.intersection(option.cells)}
    return [option for option in evidence.options if option.option in weak]


def _weakest_slices(evidence: Evidence, option: Option) -> list[str]:
    def accuracy(part: KindEvidence) -> float:
        return part.accuracy[option]

    large = [part for part in evidence.slices if part.rows >= MIN_ADVICE_ROWS and option in part.accuracy]
    return [
        f"{part.slice} {part.value} (accuracy {accuracy(part):.3f} on {part.rows})"
        for part in sorted(large, key=accuracy)[:WEAKEST_SLICES]
    ]


def _excludes(interval: Interval) -> str:
    return "excludes" if interval.low > 0 or interval.high < 0 else "includes"


def _interval(interval: Interval) -> str:
    return f"[{interval.low:.4f}, {interval.high:.4f}]"
