"""Commands about results: report, compare, metrics."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, ExperimentArgument, RunArgument, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.formatting import CELLS, bars, score
from cellgate.cli.handover import hand_over
from cellgate.client._sync.client import Client
from cellgate.client.errors import Refused
from cellgate.client.requests import path_to
from cellgate.contract.api.runs import Curve
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.files import write_json

app = typer.Typer()
NO_REPORT = frozenset({"evidence_pending", "report_lost"})
RunIds = Annotated[
    list[str], typer.Argument(metavar="RUN RUN…", help="Ids of two or more runs (run_…), or their beginnings.")
]


@app.command()
def report(
    context: typer.Context,
    experiment: ExperimentArgument,
    html: Annotated[Path | None, typer.Option(help="File for decision, gate and evidence as one page.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for everything, each run's result included, as JSON.")] = None,
    local: Annotated[
        bool, typer.Option("--local", help="ID is the folder of a finished run of cell 54; needs no server.")
    ] = False,
) -> None:
    """Write an experiment's report as a page, as JSON, or both."""
    if local:
        page = [] if html is None else ["--html", str(html)]
        hand_over(context, "trainers", "report", experiment, *page, needs="worker")
    if html is None and out is None:
        raise UsageError("nothing to write: give --html FILE, --out FILE, or both")
    with client_of(context) as client:
        experiment = client.find(experiment, "experiments").id
        if html is not None:
            client.download_report(experiment, html)
        if out is not None:
            write_json(out, experiment_report(client, experiment))


def experiment_report(client: Client, experiment_id: str) -> dict[str, Any]:
    """Return experiment, data set, every run with its result, gate, decisions with evidence, and the report over seeds.

    The last is null until cell 54 has finished.
    """
    experiment = client.experiment(experiment_id)
    path = path_to("experiments", experiment_id)
    return {
        "experiment": experiment.model_dump(mode="json", exclude={"jobs"}),
        "dataset": client.dataset(experiment.dataset).model_dump(mode="json"),
        "runs": [client.run(run.id).model_dump(mode="json") for job in experiment.jobs for run in job.runs],
        "gate": client.gate(experiment_id).model_dump(mode="json"),
        "decisions": client.json(f"{path}/decisions"),
        "report": _over_seeds(client, experiment_id),
    }


def _over_seeds(client: Client, experiment_id: str) -> dict[str, Any] | None:
    try:
        return client.report(experiment_id).report.model_dump(mode="json")
    except Refused as error:
        if error.code in NO_REPORT:
            return None
        raise


@app.command()
def compare(context: typer.Context, runs: RunIds, as_json: AsJson = False) -> None:
    """Compare runs: their differing settings and their metrics."""
    with client_of(context) as client:
        found = client.compare([client.find(run, "runs").id for run in runs])
    if as_json:
        tables.print_json(found)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for run in found.runs:
        table.add_column(f"{CELLS[run.cell]} seed {run.seed}\n[dim]{run.id}[/]", justify="right")
    for pointer, values in found.config.items():
        table.add_row(escape(pointer), *(escape(_setting(value)) for value in values))
    if found.config:
        table.add_section()
    for name, measured in found.metrics.items():
        table.add_row(escape(name), *(score(value) for value in measured))
    terminal().print(table)


def _setting(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@app.command()
def metrics(
    context: typer.Context,
    run: RunArgument,
    key: Annotated[list[str] | None, typer.Option(help="Curve to show, e.g. dev/f1; may be repeated.")] = None,
    points: Annotated[int | None, typer.Option(min=4, help="Largest number of points per curve; peaks stay.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's curves with their last, lowest and highest value."""
    with client_of(context) as client:
        run = client.find(run, "runs").id
        found = client.metrics(run, keys=key or (), max_points=points)
    if missing := set(key or ()) - {curve.key for curve in found.curves}:
        raise UsageError(f"{run} has no curve {', '.join(sorted(missing))}; `cellgate metrics {run}` lists its curves")
    if as_json:
        tables.print_json(found)
        return
    numbers = ("points", "last", "lowest", "at step", "highest", "at step")
    table = tables.table("curve", "", *numbers, numbers=numbers)
    for curve in found.curves:
        table.add_row(*_curve_row(curve))
    terminal().print(table)


def _curve_row(curve: Curve) -> list[str]:
    low, high = min(curve.values), max(curve.values)
    return [
        escape(curve.key),
        bars(curve.values),
        str(curve.points),
        f"{curve.values[-1]:.4g}",
        f"{low:.4g}",
        str(curve.steps[curve.values.index(low)]),
        f"{high:.4g}",
        str(curve.steps[curve.values.index(high)]),
    ]
