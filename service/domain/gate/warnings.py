"""The gate's warnings, each of which a policy may make blocking. Pure."""

from statistics import fmean

from cellgate.contract.evidence import Truncation, summed
from cellgate.contract.gate import GateCheck
from cellgate.contract.policy import Blocking, Policy
from service.domain.gate.inputs import NAMES, BaseCell, GateInputs
from service.domain.gate.parts import links, values, verdict
from service.domain.statistics import is_above


def baseline_margin(inputs: GateInputs, policy: Policy) -> GateCheck:
    """Judge whether 51 and 52 are above calling every function vulnerable, by a margin."""
    baseline = max((run.metrics.all_positive_f1 for run in inputs.runs if run.metrics), default=None)
    threshold = None if baseline is None else baseline + policy.baseline_margin
    name = f"the F1 of calling every function vulnerable plus {policy.baseline_margin:g}"
    return _compared(inputs, "baseline_margin", policy, threshold, name)


def bag_of_tokens(inputs: GateInputs, policy: Policy) -> GateCheck:
    """Judge whether 51 and 52 are above a bag of tokens."""
    return _compared(inputs, "bag_of_tokens", policy, inputs.bag_of_tokens_f1, "the F1 of a bag of tokens")


def leak_probes(inputs: GateInputs, policy: Policy) -> GateCheck:
    """Judge whether a probe does well by itself, or about as well as the models.

    A probe that calls nearly everything vulnerable has the F1 of doing so, which says nothing of what it has seen.
    """
    name = max(inputs.probes_f1, key=lambda probe: inputs.probes_f1[probe], default=None)
    if name is None:
        return _compared(inputs, "leak_probes", policy, None, "the best leak probe's F1")
    best = inputs.probes_f1[name]
    what = f"the F1 of the best leak probe ({name.replace('_', ' ')}) plus {policy.baseline_margin:g}"
    check = _compared(inputs, "leak_probes", policy, best + policy.baseline_margin, what)
    chance = max((run.metrics.all_positive_f1 for run in inputs.runs if run.metrics), default=0.0)
    if not is_above(best, max(policy.leak_probe_f1, chance + policy.baseline_margin)):
        return check
    alone = f"{name.replace('_', ' ')} alone reaches F1 {best:.4f}: the data give labels away"
    reason = alone if check.verdict == "pass" else f"{alone}; {check.reason}"
    return check.model_copy(update={"verdict": verdict(False, check.blocking), "reason": reason})


def _compared(inputs: GateInputs, name: Blocking, policy: Policy, threshold: float | None, what: str) -> GateCheck:
    means = {cell: fmean(inputs.f1(cell)) for cell in NAMES if inputs.f1(cell)}
    lowest = min(means.values(), default=None)
    blocking = name in policy.blocking
    if threshold is None or lowest is None or len(means) < len(NAMES):
        passed, reason = False, f"{what} cannot be compared: it, or an F1 of 51 or 52, was not measured"
    else:
        below = [f"cell {cell} ({mean:.4f})" for cell, mean in means.items() if not is_above(mean, threshold)]
        passed = not below
        reason = f"not above {what}, {threshold:.4f}: {', '.join(below)}"
        if passed:
            reason = f"51 and 52 are above {what}, {threshold:.4f}"
    return GateCheck(
        name=name,
        blocking=blocking,
        verdict=verdict(passed, blocking),
        threshold=threshold,
        measured=lowest,
        reason=reason,
        seeds=values(inputs, lambda run: run.metrics.f1 if run.metrics else None),
        evidence=links(inputs.runs),
    )


def positives(inputs: GateInputs, policy: Policy) -> GateCheck:
    """Judge whether the gate split has enough vulnerable functions for the claim."""
    found = min((run.metrics.positives for run in inputs.runs if run.metrics), default=None)
    passed = found is not None and found >= policy.minimum_positives
    blocking = "positives" in policy.blocking
    shown = "an unknown number of" if found is None else str(found)
    return GateCheck(
        name="positives",
        blocking=blocking,
        verdict=verdict(passed, blocking),
        threshold=float(policy.minimum_positives),
        measured=None if found is None else float(found),
        reason=f"the gate split has {shown} vulnerable functions; {policy.minimum_positives} are wanted"
        + ("" if passed else ", with fewer every F1 is uncertain by several points"),
        evidence=links(inputs.runs)[:1],
    )


def graph_quality(inputs: GateInputs, policy: Policy) -> GateCheck:
    """Judge whether enough functions have a whole graph."""
    whole, wanted, blocking = inputs.whole_graphs, policy.whole_graphs, "graph_quality" in policy.blocking
    passed = whole is not None and whole >= wanted
    reason = "it was not counted how many functions have a whole graph"
    if whole is not None:
        reason = f"{whole:.1%} of the functions have a whole graph; {wanted:.1%} or more are wanted"
    return GateCheck(
        name="graph_quality",
        blocking=blocking,
        verdict=verdict(passed, blocking),
        threshold=wanted,
        measured=whole,
        reason=reason,
        evidence=links(inputs.runs)[:1],
    )


def truncation(inputs: GateInputs, policy: Policy) -> GateCheck:
    """Judge whether the models see all of enough functions."""
    blocking = "truncation" in policy.blocking
    found = {cell: summed(counted) for cell in NAMES if (counted := _counted(inputs, cell))}
    shares = {cell: cut.rows_cut / cut.rows for cell, cut in found.items()}
    passed = len(found) == len(NAMES) and all(share <= policy.truncated for share in shares.values())
    reason = "it was not counted how many functions the models see all of"
    if len(found) == len(NAMES):
        told = [
            f"cell {cell} does not see all of {shares[cell]:.1%} of the functions ({cut.limit} {cut.unit})"
            for cell, cut in found.items()
        ]
        reason = f"{'; '.join(told)}; {policy.truncated:.0%} or less are wanted"
    return GateCheck(
        name="truncation",
        blocking=blocking,
        verdict=verdict(passed, blocking),
        threshold=policy.truncated,
        measured=max(shares.values(), default=None),
        reason=reason,
        seeds=values(inputs, lambda run: _share(run.truncation)),
        evidence=links(inputs.runs),
    )


def _counted(inputs: GateInputs, cell: BaseCell) -> list[Truncation]:
    """Return what was counted of a cell, if it was of every run."""
    runs = inputs.of(cell)
    counted = [run.truncation for run in runs if run.truncation is not None]
    return counted if len(counted) == len(runs) else []


def _share(cut: Truncation | None) -> float | None:
    return None if cut is None else cut.rows_cut / cut.rows
