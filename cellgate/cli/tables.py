"""Answers as tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cellgate.cli.evidence_tables import show_evidence
from cellgate.cli.formatting import CELLS, VERDICTS, score, span, state
from cellgate.contract import cells
from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.decision import Decision
from cellgate.contract.gate import GateCheck, GateReport
from cellgate.contract.results import Metrics, RunResult
from cellgate.contract.text import headline, number
from cellgate.contract.visible import visible, visible_json

# From this width on, thresholds and measured values stand beside the reasons.
WIDE = 120
TRAINED = tuple(entry.json for entry in cells.TRAINED)


def table(*columns: str, title: str | None = None, numbers: Sequence[str] = (), whole: Sequence[str] = ()) -> Table:
    """Return an empty table.

    Args:
        numbers: The columns that are set to the right and never broken.
        whole: Further columns that are never broken.
    """
    made = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        right = column in numbers
        made.add_column(
            column, justify="right" if right else "left", no_wrap=right or column in whole, header_style="dim"
        )
    return made


def print_json(answer: BaseModel) -> None:
    """Print an answer as JSON."""
    print(visible_json(answer.model_dump_json(indent=2)))


def print_list(answers: Iterable[BaseModel]) -> None:
    """Print answers as one JSON array, a line for each, as they come."""
    before = "["
    for answer in answers:
        print(before + visible_json(answer.model_dump_json()), end="")
        before = ",\n"
    print("[]" if before == "[" else "]")


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
    """Print the gate's checks and its verdict; the reasons have the thresholds too, where there is no room for both."""
    wide = console.width >= WIDE
    numbers = ("threshold", "measured") if wide else ()
    rows = table("check", "verdict", *numbers, "reason", title="Gate", numbers=numbers, whole=("check",))
    for check in report.checks:
        name = check.name if check.blocking else f"{check.name} [dim](warning)[/]"
        why = (
            check.reason
            if check.waiver is None
            else f"{check.reason}; waived by {check.waiver.by}: {check.waiver.reason}"
        )
        values = (number(check.threshold), _measured(check)) if wide else ()
        rows.add_row(name, VERDICTS[check.verdict], *values, escape(why))
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
        show_evidence(console, decision.evidence)
