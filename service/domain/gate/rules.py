"""The validation gate: every check that cells 51 and 52 must pass before fusion. Pure."""

from collections.abc import Callable, Sequence
from statistics import fmean

from cellgate.contract.gate import GateCheck, GateReport
from cellgate.contract.policy import Policy
from cellgate.contract.states import FailureReason, RunState
from service.domain.gate.inputs import NAMES, BaseCell, GateInputs, RunFacts
from service.domain.gate.parts import Value, links, values
from service.domain.gate.warnings import (
    bag_of_tokens,
    baseline_margin,
    graph_quality,
    leak_probes,
    positives,
    truncation,
)
from service.domain.statistics import is_above, mean_interval


def evaluate_gate(inputs: GateInputs, policy: Policy) -> GateReport:
    """Return the gate's report: pending until every run of 51 and 52 has ended, then pass or fail.

    It passes when every blocking check passes. The point estimate decides; intervals are shown beside it. A value
    that is exactly at its threshold is not above it.
    """
    checks = [
        _seeds_complete(inputs),
        _exit_codes(inputs),
        _mean_f1(inputs, 51, policy),
        _mean_f1(inputs, 52, policy),
        _no_collapse(inputs),
        _lr_cache(inputs),
        _metadata_valid(inputs),
        baseline_margin(inputs, policy),
        bag_of_tokens(inputs, policy),
        leak_probes(inputs, policy),
        positives(inputs, policy),
        graph_quality(inputs, policy),
        truncation(inputs, policy),
    ]
    if not inputs.complete:
        waiting = [check.model_copy(update={"verdict": "pending"}) for check in checks]
        return GateReport(
            experiment=inputs.experiment, verdict="pending", checks=waiting, summary=_pending_summary(inputs)
        )
    return add_up(inputs.experiment, checks)


def _seeds_complete(inputs: GateInputs) -> GateCheck:
    missing = [
        f"cell {cell} seed {seed}"
        for cell in NAMES
        for seed in inputs.seeds.get(cell, ())
        if not any(run.seed == seed and run.state is RunState.SUCCEEDED for run in inputs.of(cell))
    ]
    asked = sum(len(seeds) for seeds in inputs.seeds.values())
    return GateCheck(
        name="seeds_complete",
        blocking=True,
        verdict="fail" if missing or not asked else "pass",
        threshold=float(asked),
        measured=float(asked - len(missing)),
        reason=f"these seeds did not succeed: {', '.join(missing)}" if missing else f"all {asked} runs succeeded",
        seeds=values(inputs, lambda run: run.state.value),
        evidence=links(inputs.runs),
    )


def _exit_codes(inputs: GateInputs) -> GateCheck:
    return _per_run(
        inputs,
        "exit_codes",
        value=lambda run: run.exit_code,
        problem=lambda run: None if run.exit_code == 0 else f"exit code {run.exit_code}, {run.failure or run.state}",
        passed="every trainer ended with exit code 0",
    )


def _mean_f1(inputs: GateInputs, cell: BaseCell, policy: Policy) -> GateCheck:
    found, name = inputs.f1(cell), f"mean_f1_{NAMES[cell]}"
    asked = len(inputs.seeds.get(cell, ()))
    mean = fmean(found) if found else None
    passed = mean is not None and is_above(mean, policy.gate_f1)
    if mean is None:
        reason = f"no seed of cell {cell} has an F1 on the gate split"
    else:
        over = f"over {len(found)} of {asked} seeds"
        word = "above" if passed else "not above"
        reason = f"the mean F1 of cell {cell} on the gate split, {mean:.4f} {over}, is {word} {policy.gate_f1:g}"
    return GateCheck(
        name=name,
        cell=cell,
        blocking=True,
        verdict="pass" if passed else "fail",
        threshold=policy.gate_f1,
        measured=mean,
        interval=mean_interval(found),
        reason=reason,
        seeds=values(inputs, lambda run: run.metrics.f1 if run.metrics else None, cell),
        evidence=links(inputs.of(cell)),
    )


def _no_collapse(inputs: GateInputs) -> GateCheck:
    def problem(run: RunFacts) -> str | None:
        if run.failure == FailureReason.COLLAPSE:
            return run.failure
        if run.result is None:
            return "no result that could show it"
        events = [f"{event.type} of {event.component} at step {event.step}" for event in run.result.collapses]
        return "; ".join(events) or None

    return _per_run(
        inputs,
        "no_collapse",
        value=lambda run: None if run.result is None else float(len(run.result.collapses)),
        problem=problem,
        passed="no run collapsed",
    )


def _lr_cache(inputs: GateInputs) -> GateCheck:
    def problem(run: RunFacts) -> str | None:
        outcome = None if run.result is None else run.result.learning_rate
        if outcome is None:
            return "no record of its learning rate"
        if outcome.source == "cache" and not outcome.cache_hit:
            return "its learning rate is said to be the cache's, but nothing was found there"
        if outcome.source == "spec" or outcome.cache_verified:
            return _other_rate(inputs, run)
        return f"learning rate from {outcome.source}, cache entry not verified ({outcome.reason})"

    def source(run: RunFacts) -> str | None:
        outcome = None if run.result is None else run.result.learning_rate
        return None if outcome is None else outcome.source

    fixed = [run for run in inputs.runs if source(run) == "spec"]
    verified = "every learning rate is in the cache, re-read from disk and equal"
    if fixed and len(fixed) == len(inputs.runs):
        verified = "every learning rate was fixed by the spec: the cache was not needed"
    elif fixed:
        verified += f"; {len(fixed)} of {len(inputs.runs)} were fixed by the spec"
    return _per_run(inputs, "lr_cache", value=source, problem=problem, passed=verified)


def _other_rate(inputs: GateInputs, run: RunFacts) -> str | None:
    """Say which run has another learning rate under the same key: then one of them did not ask the cache."""
    mine = None if run.result is None else run.result.learning_rate
    for other in inputs.of(run.cell):
        theirs = None if other.result is None else other.result.learning_rate
        if mine is None or theirs is None or None in (mine.cache_key, theirs.cache_key):
            continue
        if mine.cache_key == theirs.cache_key and mine.learning_rate != theirs.learning_rate:
            found = f"{mine.learning_rate:g}, that of seed {other.seed} is {theirs.learning_rate:g}"
            return f"its learning rate is {found}, both under one cache key"
    return None


def _metadata_valid(inputs: GateInputs) -> GateCheck:
    def problem(run: RunFacts) -> str | None:
        result = run.result
        if result is None:
            return run.result_error or "no result.json"
        wrong = [
            f"{name} is {found}, expected {expected}"
            for name, found, expected in (
                ("cell", result.cell, run.cell),
                ("seed", result.seed, run.seed),
                ("dataset_id", result.dataset_id, inputs.dataset_hash),
            )
            if found != expected
        ]
        if run.result_changed:
            wrong.append("the file no longer says what it said when the run ended")
        if run.metrics is None:
            wrong.append("it has no metrics of the gate split")
        return "; ".join(wrong) or None

    return _per_run(
        inputs,
        "metadata_valid",
        value=lambda run: problem(run) is None,
        problem=problem,
        passed="every result.json, re-read from disk, fits the published schema, its run and its data set",
    )


def _per_run(
    inputs: GateInputs,
    name: str,
    *,
    value: Callable[[RunFacts], Value],
    problem: Callable[[RunFacts], str | None],
    passed: str,
) -> GateCheck:
    found = [(run, problem(run)) for cell in NAMES for run in inputs.of(cell)]
    wrong = [f"cell {run.cell} seed {run.seed}: {detail}" for run, detail in found if detail is not None]
    return GateCheck(
        name=name,
        blocking=True,
        verdict="fail" if wrong or not found else "pass",
        reason=" | ".join(wrong) or (passed if found else "there are no runs"),
        seeds=values(inputs, value),
        evidence=links(inputs.runs),
    )


def add_up(experiment: str, checks: Sequence[GateCheck]) -> GateReport:
    """Return the report of checks that are all done: pass when no blocking check fails."""
    failed = [check.title for check in checks if check.blocking and check.verdict == "fail"]
    return GateReport(
        experiment=experiment,
        verdict="fail" if failed else "pass",
        checks=list(checks),
        summary=_summary(checks, failed),
    )


def _summary(checks: Sequence[GateCheck], failed: Sequence[str]) -> str:
    blocking = sum(check.blocking for check in checks)
    warned = [check.title for check in checks if check.verdict == "warn"]
    waived = [check.title for check in checks if check.verdict == "waived"]
    text = f"{blocking - len(failed) - len(waived)} of {blocking} blocking checks pass"
    if waived:
        text += f"; waived: {', '.join(waived)}"
    if failed:
        text += f"; failed: {', '.join(failed)}"
    return text + (f"; warnings: {', '.join(warned)}" if warned else "")


def _pending_summary(inputs: GateInputs) -> str:
    asked = sum(len(seeds) for seeds in inputs.seeds.values())
    ended = sum(run.state.terminal for run in inputs.runs)
    missing = [str(cell) for cell in NAMES if not inputs.seeds.get(cell)]
    if missing:
        verb = "have" if len(missing) > 1 else "has"
        return f"cell {' and cell '.join(missing)} {verb} not been started yet"
    return f"{ended} of {asked} runs of 51 and 52 have ended"
