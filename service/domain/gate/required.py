"""The gate's required checks of every run of 51 and 52. Pure."""

from collections.abc import Callable
from functools import partial
from statistics import fmean

from cellgate.contract.experiment import Policy
from cellgate.contract.states import FailureReason, RunState
from service.domain.gate.inputs import NAMES, BaseCell, Finding, GateInputs, GateRule, RunFacts, Value, links, values
from service.domain.statistics import is_above, mean_interval


def _seeds_complete(inputs: GateInputs, _policy: Policy) -> Finding:
    missing = [
        f"cell {cell} seed {seed}"
        for cell in NAMES
        for seed in inputs.seeds.get(cell, ())
        if not any(run.seed == seed and run.state is RunState.SUCCEEDED for run in inputs.of(cell))
    ]
    requested = sum(len(seeds) for seeds in inputs.seeds.values())
    return Finding(
        passed=bool(requested) and not missing,
        threshold=float(requested),
        measured=float(requested - len(missing)),
        reason=f"these seeds did not succeed: {', '.join(missing)}" if missing else f"all {requested} runs succeeded",
        seeds=values(inputs, lambda run: run.state.value),
        evidence=links(inputs.runs),
    )


def _exit_codes(inputs: GateInputs, _policy: Policy) -> Finding:
    return _per_run(
        inputs,
        value=lambda run: run.exit_code,
        problem=lambda run: None if run.exit_code == 0 else f"exit code {run.exit_code}, {run.failure or run.state}",
        passed="every trainer ended with exit code 0",
    )


def _mean_f1(inputs: GateInputs, policy: Policy, *, cell: BaseCell) -> Finding:
    found = inputs.f1(cell)
    requested = len(inputs.seeds.get(cell, ()))
    mean = fmean(found) if found else None
    passed = mean is not None and is_above(mean, policy.gate_f1)
    if mean is None:
        reason = f"no seed of cell {cell} has an F1 on the gate split"
    else:
        over = f"over {len(found)} of {requested} seeds"
        relation = "above" if passed else "not above"
        reason = f"the mean F1 of cell {cell} on the gate split, {mean:.4f} {over}, is {relation} {policy.gate_f1:g}"
    return Finding(
        cell=cell,
        passed=passed,
        threshold=policy.gate_f1,
        measured=mean,
        interval=mean_interval(found),
        reason=reason,
        seeds=values(inputs, lambda run: run.metrics.f1 if run.metrics else None, cell),
        evidence=links(inputs.of(cell)),
    )


def _no_collapse(inputs: GateInputs, _policy: Policy) -> Finding:
    def problem(run: RunFacts) -> str | None:
        if run.failure == FailureReason.COLLAPSE:
            return run.failure
        if run.result is None:
            return "no result that could show it"
        events = [f"{event.type} of {event.component} at step {event.step}" for event in run.result.collapses]
        return "; ".join(events) or None

    return _per_run(
        inputs,
        value=lambda run: None if run.result is None else float(len(run.result.collapses)),
        problem=problem,
        passed="no run collapsed",
    )


def _lr_cache(inputs: GateInputs, _policy: Policy) -> Finding:
    def problem(run: RunFacts) -> str | None:
        outcome = None if run.result is None else run.result.learning_rate
        if outcome is None:
            return "no record of its learning rate"
        if outcome.source == "cache" and not outcome.cache_hit:
            return "its learning rate is recorded as the cache's, but nothing was found there"
        if outcome.source == "spec" or outcome.cache_verified:
            return _other_rate(inputs, run)
        # Whether the range test found the rate is another question: the warning `lr_found` answers it.
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
    return _per_run(inputs, value=source, problem=problem, passed=verified)


def _other_rate(inputs: GateInputs, run: RunFacts) -> str | None:
    """Return which run has another learning rate under the same key: one of the two did not use the cache."""
    mine = None if run.result is None else run.result.learning_rate
    for other in inputs.of(run.cell):
        theirs = None if other.result is None else other.result.learning_rate
        if mine is None or theirs is None or None in (mine.cache_key, theirs.cache_key):
            continue
        if mine.cache_key == theirs.cache_key and mine.learning_rate != theirs.learning_rate:
            found = f"{mine.learning_rate:g}, that of seed {other.seed} is {theirs.learning_rate:g}"
            return f"its learning rate is {found}, both under one cache key"
    return None


def _metadata_valid(inputs: GateInputs, _policy: Policy) -> Finding:
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
            wrong.append("the file has changed since the run ended")
        if run.metrics is None:
            wrong.append("it has no metrics of the gate split")
        return "; ".join(wrong) or None

    return _per_run(
        inputs,
        value=lambda run: problem(run) is None,
        problem=problem,
        passed="every result.json, re-read from disk, fits the published schema, its run and its data set",
    )


def _per_run(
    inputs: GateInputs,
    *,
    value: Callable[[RunFacts], Value],
    problem: Callable[[RunFacts], str | None],
    passed: str,
) -> Finding:
    found = [(run, problem(run)) for cell in NAMES for run in inputs.of(cell)]
    wrong = [f"cell {run.cell} seed {run.seed}: {detail}" for run, detail in found if detail is not None]
    return Finding(
        passed=bool(found) and not wrong,
        reason=" | ".join(wrong) or (passed if found else "there are no runs"),
        seeds=values(inputs, value),
        evidence=links(inputs.runs),
    )


REQUIRED = (
    GateRule(
        name="seeds_complete",
        evaluate=_seeds_complete,
        advice="Look at the failure detail of each run that did not succeed, and submit again.",
    ),
    GateRule(
        name="exit_codes",
        evaluate=_exit_codes,
        advice="Each exit code names its cause; see the failed runs' details.",
    ),
    # Cell 54's evidence shows where a model is weak, and what to do about it.
    GateRule(name="mean_f1_transformer", evaluate=partial(_mean_f1, cell=51), advice=None),
    GateRule(name="mean_f1_gnn", evaluate=partial(_mean_f1, cell=52), advice=None),
    GateRule(
        name="no_collapse",
        evaluate=_no_collapse,
        advice="Lower the learning rate or warm up longer on the cells that collapsed.",
    ),
    GateRule(
        name="lr_cache",
        evaluate=_lr_cache,
        advice="Make the lr_cache folder of the artifact root writable, or set training.learning_rate.value in the"
        " spec.",
    ),
    GateRule(
        name="metadata_valid",
        evaluate=_metadata_valid,
        advice="Run the seeds with an invalid result.json again; the check names what is wrong with each.",
    ),
)
