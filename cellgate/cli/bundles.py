"""`cellgate bundle`: pack, list, download and check bundles."""

import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, ExperimentArgument, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.handover import PassedOn, hand_over
from cellgate.cli.listing import Limit, age, show_list
from cellgate.cli.watching import last
from cellgate.contract.api.bundles import BundleAnswer
from cellgate.contract.api.runs import RunStatus
from cellgate.contract.bundle_summary import LineRanking
from cellgate.contract.evidence import Abstention, DeploymentScores
from cellgate.contract.exit_codes import CommandExit, UsageError
from cellgate.contract.specs import BundleKind
from cellgate.contract.states import BundleState
from cellgate.contract.text import percent

app = typer.Typer()
bundle_app = typer.Typer(no_args_is_help=True, help="Pack, list, download and check bundles.")
app.add_typer(bundle_app, name="bundle")
BundleId = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="Id of a bundle (bun_…), its beginning, or the bundle's name.")
]
COLUMNS: Sequence[Column[BundleAnswer]] = (
    Column(title="id", text=lambda one: one.id),
    Column(title="name", text=lambda one: escape(one.name or ""), shortest=10, rank=4),
    Column(title="state", text=lambda one: one.state.value),
    Column(title="kind", text=lambda one: one.kind),
    Column(title="seeds", text=lambda one: "" if one.summary is None else " ".join(map(str, one.summary.seeds))),
    Column(
        title="threshold",
        text=lambda one: "" if one.summary is None else f"{one.summary.threshold:.3f}",
        is_number=True,
        rank=2,
    ),
    Column(
        title="MB",
        text=lambda one: "" if one.summary is None else f"{one.summary.size_bytes / 1e6:.1f}",
        is_number=True,
        rank=1,
    ),
    Column(title="age", text=lambda one: age(one.created_at), is_number=True),
    Column(title="experiment", text=lambda one: one.experiment, rank=3),
)


@bundle_app.command()
def pack(
    context: typer.Context,
    experiment: ExperimentArgument,
    kind: Annotated[BundleKind | None, typer.Option(help="Kind of the bundle; default: the decided one.")] = None,
    option: Annotated[str | None, typer.Option(help="transformer or gnn, for a single model.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seed to pack; may be repeated.")] = None,
    licence_notes: Annotated[str | None, typer.Option(help="Licence notes for those who receive the bundle.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Allowed difference from the runs' probabilities.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pack the decided models and wait until the bundle is ready; exit code 1 when packing failed."""
    body: dict[str, Any] = {
        "kind": kind,
        "option": option,
        "seeds": seed or None,
        "licence_notes": licence_notes,
        "tolerance": tolerance,
    }
    with client_of(context) as client:
        made = client.pack(
            client.find(experiment, "experiments").id,
            {name: value for name, value in body.items() if value is not None},
        )
        with terminal().status("packing…"):
            path = f"/v1/runs/{made.run}/status"
            last(client.follow(path, RunStatus, ended=lambda found: found.state.terminal))
        made = client.bundle(made.id)
    _show(made, as_json=as_json)
    if made.state is BundleState.FAILED:
        raise typer.Exit(CommandExit.FAILED)


def _show(made: BundleAnswer, *, as_json: bool) -> None:
    if as_json:
        tables.print_json(made)
        return
    console = terminal()
    if made.summary is None:
        console.print(f"Bundle {made.id}: {made.state}. {made.failure_detail or ''}", markup=False)
        return
    rate = made.summary.functions_per_s
    speed = "" if rate is None else f", {rate:,.0f} functions a second where it was packed"
    what = f"{made.kind} of {' and '.join(made.summary.parts)}, seeds {', '.join(map(str, made.summary.seeds))}"
    console.print(f"Bundle {made.id}: {what}; {made.summary.size_bytes / 1e6:.1f} MB{speed}", markup=False)
    if made.summary.deployment is not None:
        console.print(_said_of_deployment(made.summary.deployment), markup=False)
    if made.summary.abstention is not None:
        console.print(_said_of_abstention(made.summary.abstention), markup=False)
    if made.summary.lines is not None:
        console.print(_said_of_lines(made.summary.lines), markup=False)
    for line in [] if made.summary.invariance is None else made.summary.invariance.as_lines():
        console.print(line, markup=False)
    console.print(f"`cellgate bundle get {made.id}` downloads it.", markup=False)


def _said_of_deployment(scores: DeploymentScores) -> str:
    """Return what the bundle's calls are worth where it will run."""
    low, high = scores.precision.interval.low, scores.precision.interval.high
    budget = ""
    if scores.budget is not None:
        budget = (
            f" At most {scores.budget.wanted_per_1000:g} of them (--threshold {scores.budget.thresholds[0]:.4f}):"
            f" recall {scores.budget.recall.mean:.3f}, precision {scores.budget.precision.mean:.3f}."
        )
    return (
        f"Where {percent(scores.prevalence)} of the functions are vulnerable: precision {scores.precision.mean:.3f} "
        f"[{low:.3f}, {high:.3f}], F1 {scores.f1.mean:.3f}, VD-S {scores.vd_s.mean:.3f}; "
        f"{scores.alerts_per_1000.mean:.1f} alerts per 1,000 functions.{budget}"
    )


def _said_of_abstention(found: Abstention) -> str:
    """Return how often the bundle gives a verdict, and how often that is wrong."""
    wanted = percent(found.wanted_risk)
    [margin] = found.margins
    if margin is None or found.risk is None:
        return f"No margin keeps wrong verdicts below {wanted} on dev: predictions say `abstains` of every function."
    low, high = found.risk.interval.low, found.risk.interval.high
    return (
        f"At most {wanted} wrong verdicts: it abstains nearer than {margin:.2f} to the threshold in log-odds, gives "
        f"one on {percent(found.coverage.mean)} of the functions of gate, and {percent(found.risk.mean)} "
        f"[{percent(low)}, {percent(high)}] of these are wrong."
    )


def _said_of_lines(lines: LineRanking) -> str:
    """Return how soon the lines that a bundle names lead to vulnerable ones, and where it is no better."""
    first = f"{lines.bundle.false_alarms:g} lines before the first vulnerable one in the median function"
    others = f"{lines.random.false_alarms:g} in a random order, {lines.longest.false_alarms:g} with the longest first"
    no_better = f"; not better: {', '.join(lines.not_beaten)}" if lines.not_beaten else ""
    return f"The lines that it names, on {lines.functions} patched functions of gate: {first}, {others}{no_better}."


@bundle_app.command("ls")
def list_bundles(context: typer.Context, limit: Limit = None, as_json: AsJson = False) -> None:
    """List the bundles, the newest last."""
    with client_of(context) as client:
        show_list(client.bundles(), COLUMNS, limit=limit, as_json=as_json, count=partial(client.count, "bundles"))


@bundle_app.command()
def get(
    context: typer.Context,
    bundle: BundleId,
    out: Annotated[Path, typer.Option(help="Folder in which the bundle's folder is made.")] = Path(),
) -> None:
    """Download a bundle as a folder named by its id."""
    with client_of(context) as client, ExitStack() as stack:
        bundle = client.find(bundle, "bundles").id
        target = out / bundle
        if target.exists():
            raise UsageError(f"{target} exists: remove it, or name another folder with --out")
        out.mkdir(parents=True, exist_ok=True)
        partial = stack.enter_context(tempfile.TemporaryDirectory(dir=out, prefix=".cellgate-"))
        archive = Path(partial) / "bundle.tar"
        client.download_bundle(bundle, archive)
        with tarfile.open(archive) as opened:
            # Nothing but plain files below the folder, whatever the archive holds.
            opened.extractall(partial, filter="data")
        (Path(partial) / bundle).rename(target)
    terminal().print(f"{target}: `cellgate predict {target} FILES` scores source with it.", markup=False)


@bundle_app.command("check", cls=PassedOn)
def check_bundle(context: typer.Context) -> None:
    """Verify every file of a bundle's folder and run its self-test."""
    hand_over(context, "trainers", "bundle", "check", needs="worker")


@bundle_app.command("pack-local", cls=PassedOn)
def pack_local(context: typer.Context) -> None:
    """Pack folders of finished runs on this machine, without a server."""
    hand_over(context, "trainers", "bundle", "pack", needs="worker")


@bundle_app.command("onnx", cls=PassedOn)
def export_onnx(context: typer.Context) -> None:
    """Export the text models of a bundle's folder as ONNX."""
    hand_over(context, "trainers", "bundle", "onnx", needs="worker")
