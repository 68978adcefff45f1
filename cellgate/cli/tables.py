"""Answers as tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cellgate.cli.formatting import CELLS, VERDICTS, lifecycle, outcome, score, span, state
from cellgate.contract import cells
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.api.experiments import ExperimentSummary
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.decision import Decision
from cellgate.contract.evidence import Estimate, Evidence, OptionEvidence
from cellgate.contract.gate import GateCheck, GateReport
from cellgate.contract.results import Metrics, RunResult
from cellgate.contract.text import headline, number, p_value, percent
from cellgate.contract.visible import visible, visible_json

TRAINED = tuple(entry.json for entry in cells.TRAINED)


def table(*columns: str, title: str | None = None, numbers: Sequence[str] = ()) -> Table:
    """Return an empty table.

    Args:
        numbers: The columns that are set to the right and never broken.
    """
    made = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        right = column in numbers
        made.add_column(column, justify="right" if right else "left", no_wrap=right, header_style="dim")
    return made


def print_json(answer: BaseModel) -> None:
    """Print an answer as JSON."""
    print(visible_json(answer.model_dump_json(indent=2)))


def print_list(answers: Iterable[BaseModel]) -> None:
    """Print answers as one JSON array, a line for each."""
    print("[" + ",\n".join(visible_json(answer.model_dump_json()) for answer in answers) + "]")


def show_dataset(console: Console, dataset: DatasetAnswer) -> None:
    """Print one data set: its state, its splits and its warnings."""
    number = f", version {dataset.version}" if dataset.version > 1 else ""
    console.print(f"Data set [bold]{escape(dataset.name)}[/]{number} ({dataset.id}) is {state(dataset.state)}.")
    if dataset.evaluation is not None:
        console.print(f"For evaluation only: all functions are in {dataset.evaluation}.")
    if dataset.failure_detail:
        console.print(escape(dataset.failure_detail), style="red")
    if dataset.summary is None:
        return
    rows = table("split", "functions", "vulnerable", numbers=("functions", "vulnerable"))
    for split, size in dataset.summary["splits"].items():
        if dataset.evaluation is not None and not size["rows"]:
            continue
        rows.add_row(split, f"{size['rows']:,}", f"{size['positives']:,}")
    console.print(rows)
    graphs = ", ".join(f"{count:,} {name}" for name, count in dataset.summary["graph_quality"].items())
    bag = score(dataset.summary["bag_of_tokens_f1"])
    reached = f"A bag of tokens reaches F1 {bag} on the gate split." if bag else "A bag of tokens was not measured."
    console.print(f"Graphs: {graphs}. {reached}")
    _show_changes(console, dataset.summary.get("changes"))
    for warning in dataset.summary["warnings"]:
        console.print(f"Warning: {escape(warning)}", style="yellow")


def _show_changes(console: Console, changes: Mapping[str, Any] | None) -> None:
    if changes is None:
        return
    counts = ", ".join(f"{changes[name]:,} {name}" for name in ("added", "removed", "relabelled", "moved", "unchanged"))
    console.print(f"Against version {changes['version']} ({changes['previous']}): {counts}.")
    for change in changes["settings"]:
        values = f"{json.dumps(change['before'])} → {json.dumps(change['after'])}"
        console.print(f"  {escape(change['name'])}: {escape(visible(values))}")


def show_datasets(console: Console, datasets: Iterable[DatasetAnswer]) -> None:
    """Print a row per data set."""
    rows = table("id", "name", "for", "state", "functions", "created", numbers=("functions",))
    for found in datasets:
        functions = "" if found.summary is None else f"{found.summary['rows']:,}"
        name = escape(found.name) + (f"@{found.version}" if found.version > 1 else "")
        purpose = found.evaluation or "training"
        rows.add_row(found.id, name, purpose, state(found.state), functions, f"{found.created_at:%Y-%m-%d %H:%M}")
    console.print(rows)


def show_experiments(console: Console, experiments: Iterable[ExperimentSummary]) -> None:
    """Print a row per experiment."""
    rows = table("id", "name", "state", "gate", "outcome", "runs", "created", numbers=("runs",))
    for found in experiments:
        rows.add_row(
            found.id,
            escape(found.name),
            lifecycle(found),
            VERDICTS[found.gate_verdict],
            outcome(found.conclusion),
            f"{found.runs_done}/{found.runs_total}",
            f"{found.created_at:%Y-%m-%d %H:%M}",
        )
    console.print(rows)


def show_job(console: Console, job: JobAnswer) -> None:
    """Print the new state of a submitted job."""
    seeds = ", ".join(str(seed) for seed in job.seeds)
    console.print(f"Job {job.id}: cell {CELLS[job.cell]}, seeds {seeds}, {state(job.state)}.")


def show_run(console: Console, run: RunAnswer) -> None:
    """Print one run: its state, and why it waits or failed."""
    name = f"Run {run.id}: cell {CELLS[run.cell]}, seed {run.seed}, attempt {run.attempt}, {state(run.state)}"
    why = run.failure_detail or (run.waiting.detail if run.waiting else "")
    console.print(f"{name}{escape(f': {why}') if why else '.'}")
    if run.superseded_by is not None:
        console.print(f"Run {run.superseded_by} counts in its place.")
    if run.reused_from is not None:
        console.print(f"It was not trained: run {run.reused_from} is equal, and its result is reused.")


def show_runs(console: Console, runs: Iterable[RunAnswer]) -> None:
    """Print a row per run of cells 51 to 53 with its scores on the gate split, and every failure below.

    Args:
        runs: With their results.
    """
    numbers = ("seed", "F1", "precision", "recall", "AUPRC", "learning rate", "minutes")
    rows = table("cell", "seed", "state", *numbers[1:], title="Seeds, on the gate split", numbers=numbers)
    failures = []
    for run in runs:
        if run.failure_reason is not None:
            failures.append(f"{CELLS[run.cell]} seed {run.seed}: {run.failure_reason}: {run.failure_detail or ''}")
        if run.cell in TRAINED:
            rows.add_row(CELLS[run.cell], str(run.seed), state(run.state), *_scores(run))
    if rows.row_count:
        console.print(rows)
    for failure in failures:
        console.print(escape(failure), style="red")


def time_taken_s(run: RunAnswer) -> float | None:
    """Return the seconds that an ended run took; null before. Runs of old releases have no time at work."""
    if run.finished_at is None:
        return None
    if run.running_s is None and run.started_at:
        return (run.finished_at - run.started_at).total_seconds()
    return run.running_s


def _scores(run: RunAnswer) -> list[str]:
    took_s = time_taken_s(run)
    minutes = score(took_s / 60, 1) if took_s else ""
    if run.result is None:
        return [score(run.f1), "", "", "", "", minutes]
    result = RunResult.model_validate(run.result)
    gate: Metrics | None = result.metrics.get("gate")
    rate = f"{result.learning_rate.learning_rate:.1e}" if result.learning_rate else ""
    scores = [gate.f1, gate.precision, gate.recall, gate.auprc] if gate else [None] * 4
    return [*(score(value) for value in scores), rate, minutes]


def show_gate(console: Console, report: GateReport) -> None:
    """Print the gate's checks and its verdict."""
    rows = table("check", "verdict", "threshold", "measured", "reason", title="Gate", numbers=("threshold", "measured"))
    for check in report.checks:
        name = check.name if check.blocking else f"{check.name} [dim](warning)[/]"
        why = (
            check.reason
            if check.waiver is None
            else f"{check.reason}; waived by {check.waiver.by}: {check.waiver.reason}"
        )
        rows.add_row(name, VERDICTS[check.verdict], number(check.threshold), _measured(check), escape(why))
    console.print(rows)
    console.print(f"Gate: [bold]{VERDICTS[report.verdict]}[/]. {escape(report.summary)}")


def _measured(check: GateCheck) -> str:
    if check.interval is None:
        return number(check.measured)
    return f"{score(check.measured)} ({span(*check.interval)})"


def show_decision(console: Console, decision: Decision) -> None:
    """Print a decision, its rule and reasons, and every option with its evidence."""
    console.print(f"Decision: [bold]{headline(decision.outcome, decision.option)}[/] ({decision.confidence})")
    console.print(f"Rule: {escape(decision.rule)}")
    for reason in decision.reasons:
        console.print(f"  · {escape(reason)}")
    for step in decision.next_steps:
        console.print(f"  → {escape(step)}")
    if decision.evidence is not None:
        _show_evidence(console, decision.evidence)


def _show_evidence(console: Console, evidence: Evidence) -> None:
    title = f"Options on the gate split: {evidence.rows} functions, {evidence.positives} vulnerable"
    numbers = ("F1 mean", "precision", "recall", "AUPRC", "ECE", "test F1")
    columns = ("option", "F1 mean", "95 % interval", "F1 per seed", *numbers[1:])
    rows = table(*columns, title=title, numbers=numbers)
    for option in evidence.options:
        rows.add_row(*_option(option))
    console.print(rows)
    _show_pair_verdicts(console, evidence)
    _show_deployment(console, evidence)
    _show_abstention(console, evidence)
    of_pairs = ("first", "second", "difference in F1", "95 % interval", "p", "p (Holm)")
    pairs = table(*of_pairs, title="Compared in pairs")
    for pair in evidence.comparisons:
        low, high = pair.f1_interval.low, pair.f1_interval.high
        pairs.add_row(
            pair.first,
            pair.second,
            f"{pair.f1_difference:+.4f}",
            span(low, high, sign="+"),
            p_value(pair.p),
            p_value(pair.adjusted_p),
        )
    if pairs.row_count:
        console.print(pairs)


def _show_pair_verdicts(console: Console, evidence: Evidence) -> None:
    """Print every option's verdicts on pairs; nothing where the gate split has none."""
    found = {option.option: option.pair_verdicts for option in evidence.options if option.pair_verdicts is not None}
    if not found:
        return
    pairs = max(verdicts.pairs for verdicts in found.values())
    title = f"Verdicts on {pairs:,} pairs of a vulnerable function and its patched version: share of pairs"
    shares = ("both right", "both called vulnerable", "both called safe", "reversed")
    rows = table("option", shares[0], "95 % interval", "per seed", *shares[1:], title=title, numbers=shares)
    for option, verdicts in found.items():
        right = verdicts.correct
        rows.add_row(
            option,
            score(right.mean),
            span(right.interval.low, right.interval.high),
            " ".join(f"{share:.3f}" for share in right.per_seed),
            *(score(share.mean) for share in (verdicts.vulnerable, verdicts.benign, verdicts.reversed)),
        )
    console.print(rows)


def _show_deployment(console: Console, evidence: Evidence) -> None:
    """Print every option's scores at the prevalence that the policy states; nothing where it states none."""
    found = {option.option: option.deployment for option in evidence.options if option.deployment is not None}
    if not found:
        return
    stated = percent(next(iter(found.values())).prevalence)
    numbers = ("precision", "F1", "alerts per 1,000", "VD-S")
    columns = [column for name in numbers for column in (name, f"{name}, 95 %")]
    rows = table("option", *columns, title=f"Where {stated} of the functions are vulnerable", numbers=numbers)
    for option, scores in found.items():
        shown = ((scores.precision, 3), (scores.f1, 3), (scores.alerts_per_1000, 1), (scores.vd_s, 3))
        rows.add_row(
            option,
            *(
                cell
                for one, digits in shown
                for cell in (
                    f"{one.mean:.{digits}f}",
                    f"{one.interval.low:.{digits}f} to {one.interval.high:.{digits}f}",
                )
            ),
        )
    console.print(rows)
    _show_budget(console, evidence)


def _show_budget(console: Console, evidence: Evidence) -> None:
    """Print what every option finds within the alert budget; nothing where there is none."""
    deployed = {option.option: option.deployment for option in evidence.options}
    found = {option: scores.budget for option, scores in deployed.items() if scores is not None and scores.budget}
    if not found:
        return
    wanted = next(iter(found.values())).wanted_per_1000
    columns = ("recall", "95 % interval", "precision", "alerts per 1,000", "thresholds")
    rows = table("option", *columns, title=f"At most {wanted:g} alerts per 1,000 of them", numbers=columns)
    for option, budget in found.items():
        rows.add_row(
            option,
            score(budget.recall.mean),
            span(budget.recall.interval.low, budget.recall.interval.high),
            score(budget.precision.mean),
            f"{budget.alerts_per_1000.mean:.1f}",
            " ".join(f"{threshold:.3f}" for threshold in budget.thresholds),
        )
    console.print(rows)


def _show_abstention(console: Console, evidence: Evidence) -> None:
    """Print on how many functions every option gives a verdict where few may be wrong; nothing without a risk."""
    found = {option.option: option.abstention for option in evidence.options if option.abstention is not None}
    if not found:
        return
    wanted = percent(next(iter(found.values())).wanted_risk)
    columns = ("verdicts", "95 % interval", "wrong of these", "95 % interval", "margins")
    rows = table("option", *columns, title=f"Verdicts where at most {wanted} may be wrong", numbers=columns)
    for option, scores in found.items():
        of_risk = ("–", "") if scores.risk is None else _share(scores.risk)
        margins = " ".join("none" if margin is None else f"{margin:.2f}" for margin in scores.margins)
        rows.add_row(option, *_share(scores.coverage), *of_risk, margins)
    console.print(rows)


def _share(found: Estimate) -> tuple[str, str]:
    return score(found.mean), span(found.interval.low, found.interval.high)


def _option(option: OptionEvidence) -> list[str]:
    weight = "" if option.text_weight is None else f" ({option.text_weight:.2f} text)"
    per_seed = " ".join(f"{f1:.3f}" for f1 in option.f1_per_seed)
    numbers = (option.precision, option.recall, option.auprc, option.ece, option.test_f1)
    return [
        f"{option.option}{weight}",
        score(option.f1),
        span(option.f1_interval.low, option.f1_interval.high),
        per_seed,
        *(score(number) for number in numbers),
    ]
