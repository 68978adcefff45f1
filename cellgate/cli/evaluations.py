"""`cellgate evaluate`: judge a bundle, or the scores of any detector, on a data set."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.dataset_names import named_dataset
from cellgate.cli.formatting import score, span
from cellgate.cli.watching import last
from cellgate.contract.api.evaluations import EvaluationAnswer
from cellgate.contract.api.runs import RunStatus
from cellgate.contract.exit_codes import CommandExit, UsageError
from cellgate.contract.results import Evaluation, Metrics, SinceCutoff, TrainingOverlap

app = typer.Typer()


@app.command()
def evaluate(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id or name of a data set.")],
    bundle: Annotated[str | None, typer.Option(help="Id or name of the bundle to judge.")] = None,
    scores: Annotated[
        str | None, typer.Option(help="File below a data root of the server with id and probability, to judge instead.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Default: the bundle's own; of scores 0.5.")] = None,
    cutoff: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day of which a pretrained model may have read."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a bundle, or the scores of any detector, on a data set that it was not trained on.

    Waits for the result. Exit code 1 when it could not be evaluated.
    """
    if (bundle is None) == (scores is None):
        raise UsageError("give --bundle, or --scores with a file, and not both")
    body: dict[str, Any] = {"bundle": bundle, "scores": scores, "threshold": threshold}
    body["cutoff"] = None if cutoff is None else cutoff.date().isoformat()
    with client_of(context) as client:
        body["dataset"] = named_dataset(client, dataset)
        if bundle is not None:
            body["bundle"] = client.find(bundle, "bundles").id
        queued = client.evaluate({name: value for name, value in body.items() if value is not None})
        with terminal().status("evaluating…"):
            path = f"/v1/runs/{queued.run}/status"
            last(client.follow(path, RunStatus, ended=lambda found: found.state.terminal))
        found = client.evaluation(queued.run)
    tables.print_json(found) if as_json else _show(terminal(), found)
    if found.evaluation is None:
        raise typer.Exit(CommandExit.FAILED)


def _show(console: Console, answer: EvaluationAnswer) -> None:
    found = answer.evaluation
    if found is None:
        console.print(f"Run {answer.run}: {answer.state}. {answer.failure_detail or ''}", markup=False)
        return
    console.print(_shared(found.overlap), style="yellow" if found.overlap is not None and _any(found.overlap) else "")
    if found.since_cutoff is not None:
        console.print(_before(found.since_cutoff))
    _show_scores(console, found)
    if found.pair_verdicts is not None:
        right = found.pair_verdicts.correct
        interval = span(right.interval.low, right.interval.high)
        console.print(f"Of {found.pair_verdicts.pairs:,} pairs both right: {score(right.mean)} ({interval}).")


def _show_scores(console: Console, found: Evaluation) -> None:
    numbers = ("functions", "F1", "precision", "recall", "AUPRC", "ECE")
    where = " and ".join(found.splits)
    rows = tables.table("", *numbers, title=f"On {where}, threshold {found.threshold:.3f}", numbers=numbers)
    interval = span(found.f1_interval.low, found.f1_interval.high)
    rows.add_row("all", *_row(found.metrics, f" ({interval})"))
    if found.unseen is not None:
        rows.add_row("not seen in training", *_row(found.unseen))
    since = found.since_cutoff
    if since is not None and since.newer is not None and since.f1_interval is not None:
        interval = span(since.f1_interval.low, since.f1_interval.high)
        rows.add_row(f"after {since.cutoff}", *_row(since.newer, f" ({interval})"))
    for baseline in found.baselines:
        rows.add_row(f"baseline {baseline.name}", "", score(baseline.f1), "", "", "", "")
    console.print(rows)


def _row(metrics: Metrics, interval: str = "") -> list[str]:
    values = (metrics.precision, metrics.recall, metrics.auprc, metrics.ece)
    return [f"{metrics.rows:,}", f"{score(metrics.f1)}{interval}", *(score(value) for value in values)]


def _before(since: SinceCutoff) -> str:
    newer = 0 if since.newer is None else since.newer.rows
    alone = "judged by themselves below" if newer else "there is nothing to judge by"
    return (
        f"Of {since.cutoff} or before, perhaps seen in pretraining: {since.older:,} functions; without a date: "
        f"{since.undated:,}; newer: {newer:,}, {alone}."
    )


def _any(overlap: TrainingOverlap) -> bool:
    return bool(overlap.exact or overlap.near or overlap.same_commit or overlap.same_project)


def _shared(overlap: TrainingOverlap | None) -> str:
    if overlap is None:
        return "Shared with training: not known, as nothing tells what the detector was trained on."
    if not _any(overlap):
        return f"Shared with the {overlap.functions:,} functions of its training: nothing that was looked for."
    projects = f" ({escape(', '.join(overlap.projects[:5]))})" if overlap.projects else ""
    return (
        f"Shared with the {overlap.functions:,} functions of its training: {overlap.exact:,} exact copies, "
        f"{overlap.near:,} near-duplicates, {overlap.same_commit:,} of the same commits, {overlap.same_project:,} of "
        f"the same projects{projects}."
    )
