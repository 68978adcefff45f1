"""The gate's warnings, each of which a policy may make blocking. Pure.

`positives` and the warnings that compare scores leave a run without metrics out, on purpose: the blocking check
`metadata_valid` names that run and fails, so that these need only say what the other runs show.
"""

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

from cellgate.contract.evidence import Truncation, summed
from cellgate.contract.experiment import Policy
from service.domain.gate.inputs import NAMES, BaseCell, Finding, GateInputs, GateRule, links, values
from service.domain.statistics import is_above


def _baseline_margin(inputs: GateInputs, policy: Policy) -> Finding:
    baseline = max((run.metrics.all_positive_f1 for run in inputs.runs if run.metrics), default=None)
    threshold = None if baseline is None else baseline + policy.baseline_margin
    return _compare(inputs, threshold, f"the F1 of calling every function vulnerable plus {policy.baseline_margin:g}")


def _bag_of_tokens(inputs: GateInputs, _policy: Policy) -> Finding:
    return _compare(inputs, inputs.bag_of_tokens_f1, "the F1 of a bag of tokens")


def _leak_probes(inputs: GateInputs, policy: Policy) -> Finding:
    """Check that no probe has a high F1 by itself, or about that of the models.

    A probe that calls nearly everything vulnerable has the F1 of doing so, which is no sign of a leak.
    """
    name = max(inputs.probes_f1, key=lambda probe: inputs.probes_f1[probe], default=None)
    if name is None:
        return _compare(inputs, None, "the best leak probe's F1")
    best, probe = inputs.probes_f1[name], name.replace("_", " ")
    subject = f"the F1 of the best leak probe ({probe}) plus {policy.baseline_margin:g}"
    found = _compare(inputs, best + policy.baseline_margin, subject)
    chance = max((run.metrics.all_positive_f1 for run in inputs.runs if run.metrics), default=0.0)
    if not is_above(best, max(policy.leak_probe_f1, chance + policy.baseline_margin)):
        return found
    alone = f"{probe} alone reaches F1 {best:.4f}: the data give labels away"
    return replace(found, passed=False, reason=alone if found.passed else f"{alone}; {found.reason}")


def _compare(inputs: GateInputs, threshold: float | None, subject: str) -> Finding:
    means = {cell: fmean(inputs.f1(cell)) for cell in NAMES if inputs.f1(cell)}
    lowest = min(means.values(), default=None)
    if threshold is None or lowest is None or len(means) < len(NAMES):
        passed, reason = False, f"{subject} cannot be compared: it, or an F1 of 51 or 52, was not measured"
    else:
        below = [f"cell {cell} ({mean:.4f})" for cell, mean in means.items() if not is_above(mean, threshold)]
        passed = not below
        reason = f"not above {subject}, {threshold:.4f}: {', '.join(below)}"
        if passed:
            reason = f"51 and 52 are above {subject}, {threshold:.4f}"
    return Finding(
        passed=passed,
        threshold=threshold,
        measured=lowest,
        reason=reason,
        seeds=values(inputs, lambda run: run.metrics.f1 if run.metrics else None),
        evidence=links(inputs.runs),
    )


def _positives(inputs: GateInputs, policy: Policy) -> Finding:
    found = min((run.metrics.positives for run in inputs.runs if run.metrics), default=None)
    passed = found is not None and found >= policy.minimum_positives
    shown = "an unknown number of" if found is None else str(found)
    return Finding(
        passed=passed,
        threshold=float(policy.minimum_positives),
        measured=None if found is None else float(found),
        reason=f"the gate split has {shown} vulnerable functions; {policy.minimum_positives} are wanted"
        + ("" if passed else ", with fewer every F1 is uncertain by several points"),
        evidence=links(inputs.runs)[:1],
    )


def _graph_quality(inputs: GateInputs, policy: Policy) -> Finding:
    whole, wanted = inputs.whole_graphs, policy.whole_graphs
    reason = "it was not counted how many functions have a whole graph"
    if whole is not None:
        reason = f"{whole:.1%} of the functions have a whole graph; {wanted:.1%} or more are wanted"
    return Finding(
        passed=whole is not None and whole >= wanted,
        threshold=wanted,
        measured=whole,
        reason=reason,
        evidence=links(inputs.runs)[:1],
    )


def _truncation(inputs: GateInputs, policy: Policy) -> Finding:
    found = {cell: summed(counted) for cell in NAMES if (counted := _counted(inputs, cell))}
    shares = {cell: cut.rows_cut / cut.rows for cell, cut in found.items()}
    passed = len(found) == len(NAMES) and all(share <= policy.truncated for share in shares.values())
    reason = "it was not counted how many functions the models see all of"
    if len(found) == len(NAMES):
        cells = [
            f"cell {cell} does not see all of {shares[cell]:.1%} of the functions ({cut.limit} {cut.unit})"
            for cell, cut in found.items()
        ]
        reason = f"{'; '.join(cells)}; {policy.truncated:.0%} or less are wanted"
    return Finding(
        passed=passed,
        threshold=policy.truncated,
        measured=max(shares.values(), default=None),
        reason=reason,
        seeds=values(inputs, lambda run: _share(run.truncation)),
        evidence=links(inputs.runs),
    )


def _counted(inputs: GateInputs, cell: BaseCell) -> list[Truncation]:
    """Return a cell's counts, or nothing if one of its runs has none."""
    runs = inputs.of(cell)
    counted = [run.truncation for run in runs if run.truncation is not None]
    return counted if len(counted) == len(runs) else []


def _lr_found(inputs: GateInputs, _policy: Policy) -> Finding:
    """Check that no rate is a default that was taken because the range test gave none; all runs must say theirs."""
    sources = {run.run: run.result.learning_rate for run in inputs.runs if run.result is not None}
    unknown = [run for run in inputs.runs if sources.get(run.run) is None]
    fallen = {cell: list(_fallbacks(inputs, cell)) for cell in NAMES}
    parts = [
        f"{len(found)} of {len(inputs.of(cell))} seeds of cell {cell} trained at a default, {found[0]}"
        for cell, found in fallen.items()
        if found
    ]
    if unknown or not inputs.runs:
        parts.append(f"{len(unknown)} of {len(inputs.runs)} runs have no record of their learning rate")
    return Finding(
        passed=not parts,
        reason="; ".join(parts) or "every learning rate was found by a range test or fixed by the spec",
        seeds=values(inputs, lambda run: outcome.source if (outcome := sources.get(run.run)) else None),
        evidence=links(inputs.runs),
    )


def _fallbacks(inputs: GateInputs, cell: BaseCell) -> Iterator[str]:
    for run in inputs.of(cell):
        outcome = None if run.result is None else run.result.learning_rate
        if outcome is not None and outcome.source == "fallback":
            yield f"{outcome.learning_rate:g} ({outcome.reason})"


def _pair_correct(inputs: GateInputs, policy: Policy) -> Finding | None:
    wanted = policy.min_pair_correct
    if wanted is None:
        return None
    means = {cell: mean for cell in NAMES if (mean := _mean_pair_correct(inputs, cell)) is not None}
    below = [f"cell {cell} ({mean:.4f})" for cell, mean in means.items() if is_above(wanted, mean)]
    if len(means) < len(NAMES):
        reason = "the share of pairs that 51 and 52 get right was not measured: the gate split has no whole pair"
    elif below:
        reason = f"{' and '.join(below)} get fewer pairs right than are wanted, {wanted:g}"
    else:
        reason = f"51 and 52 get at least {min(means.values()):.4f} of the pairs right; {wanted:g} or more are wanted"
    return Finding(
        passed=len(means) == len(NAMES) and not below,
        threshold=wanted,
        measured=min(means.values(), default=None),
        reason=reason,
        seeds=values(inputs, lambda run: run.metrics.pairwise_correct if run.metrics else None),
        evidence=links(inputs.runs),
    )


def _mean_pair_correct(inputs: GateInputs, cell: BaseCell) -> float | None:
    """Return the mean over a cell's runs that have metrics; None if one of them, or none, has scores of pairs."""
    shares = [run.metrics.pairwise_correct for run in inputs.of(cell) if run.metrics is not None]
    known = [share for share in shares if share is not None]
    return fmean(known) if known and len(known) == len(shares) else None


def _share(cut: Truncation | None) -> float | None:
    return None if cut is None else cut.rows_cut / cut.rows


WARNINGS = (
    GateRule(
        name="baseline_margin",
        evaluate=_baseline_margin,
        advice="A model that is no better than calling everything vulnerable has learned little: check labels.",
    ),
    GateRule(
        name="bag_of_tokens",
        evaluate=_bag_of_tokens,
        advice="A bag of tokens does as well: the data may give the label away, or the models see too little.",
    ),
    GateRule(
        name="leak_probes",
        evaluate=_leak_probes,
        advice="Tokens, names or length alone do about as well: read the data set's report for what gives it away.",
    ),
    GateRule(
        name="positives",
        evaluate=_positives,
        advice="Prepare a data set with more vulnerable functions in the gate split.",
    ),
    GateRule(
        name="graph_quality",
        evaluate=_graph_quality,
        advice="Look at the sources whose graphs are not whole: are these whole C or C++ functions?",
    ),
    GateRule(
        name="truncation",
        evaluate=_truncation,
        advice="Let the models see more of each function: raise max_tokens of cell 51, max_nodes of the data set.",
    ),
    GateRule(
        name="lr_found",
        evaluate=_lr_found,
        advice="The range test gave no rate: try two or three around the default in training.learning_rate.value.",
    ),
    GateRule(
        name="pair_correct",
        evaluate=_pair_correct,
        advice="The models do not tell patched functions from vulnerable ones: see the verdicts on pairs, train with"
        " keep_pairs_together, or on more pairs.",
    ),
)
