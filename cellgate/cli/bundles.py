"""`cellgate bundle`: packing what was decided, and getting it; `cellgate predict`: scoring files with it."""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.spec_files import BadInput
from cellgate.cli.trainers import require_trainers
from cellgate.cli.watch import last
from cellgate.contract.api.bundles import BundleAnswer
from cellgate.contract.api.runs import RunStatus
from cellgate.contract.specs import BundleKind, Explain
from cellgate.contract.states import BundleState

NO_SUCCESS = 1
Layout = Literal["text", "json", "sarif"]
bundle_app = typer.Typer(no_args_is_help=True, help="Bundles: pack what was decided, ls, get.")
BundleId = Annotated[str, typer.Argument(metavar="ID", help="Id of a bundle (bun_…).")]


@bundle_app.command()
def pack(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id of an experiment (exp_…).")],
    kind: Annotated[BundleKind | None, typer.Option(help="Default: what the last decision ships.")] = None,
    option: Annotated[str | None, typer.Option(help="transformer or gnn, for a single model.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Only this seed; may be given again.")] = None,
    licence_notes: Annotated[str | None, typer.Option(help="For whoever gets the bundle.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="See docs/bundles.md; runs of a GPU need more.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pack what was decided and wait until it is ready; exit code 1 when it could not be packed."""
    asked: dict[str, Any] = {
        "kind": kind,
        "option": option,
        "seeds": seed or None,
        "licence_notes": licence_notes,
        "tolerance": tolerance,
    }
    with client_of(context) as client:
        made = client.pack(experiment, {name: value for name, value in asked.items() if value is not None})
        with tables.terminal().status("packing…"):
            path = f"/v1/runs/{made.run}/status"
            last(client.follow(path, RunStatus, ended=lambda found: found.state.terminal))
        made = client.bundle(made.id)
    _show(made, as_json=as_json)
    if made.state is BundleState.FAILED:
        raise typer.Exit(NO_SUCCESS)


def _show(made: BundleAnswer, *, as_json: bool) -> None:
    if as_json:
        print(made.model_dump_json(indent=2))
        return
    console = tables.terminal()
    if made.summary is None:
        console.print(f"Bundle {made.id}: {made.state}. {made.failure_detail or ''}", markup=False)
        return
    rate = made.summary.functions_per_s
    speed = "" if rate is None else f", {rate:,.0f} functions a second where it was packed"
    what = f"{made.kind} of {' and '.join(made.summary.parts)}, seeds {', '.join(map(str, made.summary.seeds))}"
    console.print(f"Bundle {made.id}: {what}; {made.summary.size_bytes / 1e6:.1f} MB{speed}", markup=False)
    console.print(f"`cellgate bundle get {made.id}` brings it here.", markup=False)


@bundle_app.command("ls")
def list_bundles(context: typer.Context, as_json: AsJson = False) -> None:
    """List the bundles, newest first."""
    with client_of(context) as client:
        found = list(client.bundles())
    if as_json:
        tables.print_list(found)
        return
    numbers = ("threshold", "MB")
    table = tables.table("bundle", "state", "kind", "seeds", *numbers, "experiment", numbers=numbers)
    for one in found:
        summary = one.summary
        facts = ["", "", ""]
        if summary is not None:
            seeds = " ".join(map(str, summary.seeds))
            facts = [seeds, f"{summary.threshold:.3f}", f"{summary.size_bytes / 1e6:.1f}"]
        table.add_row(one.id, one.state, one.kind, *facts, one.experiment)
    tables.terminal().print(table)


@bundle_app.command()
def get(
    context: typer.Context,
    bundle: BundleId,
    out: Annotated[Path, typer.Option(help="Folder to put it into.")] = Path(),
) -> None:
    """Bring a bundle here, as a folder named by its id."""
    target = out / bundle
    if target.exists():
        raise BadInput(f"{target} exists: remove it, or name another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".cellgate-") as partial, client_of(context) as client:
        archive = Path(partial) / "bundle.tar"
        client.download_bundle(bundle, archive)
        with tarfile.open(archive) as opened:
            # Nothing but plain files below the folder, whatever the archive says.
            opened.extractall(partial, filter="data")
        (Path(partial) / bundle).rename(target)
    tables.terminal().print(f"{target}: `cellgate predict {target} FILES` scores source with it.", markup=False)


def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="C and C++ files, or folders of such.")],
    layout: Annotated[Layout, typer.Option("--format", help="How to tell what was found.")] = "text",
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Instead of the bundle's own.")] = None,
    explain: Annotated[Explain, typer.Option(help="For which functions to say which lines weighed most.")] = "findings",
    out: Annotated[Path | None, typer.Option(help="Write there instead of standard output.")] = None,
) -> None:
    """Score the functions of C and C++ files on this machine; exit code 9 when at least one is above the threshold."""
    require_trainers("scoring")
    command = [sys.executable, "-m", "trainers", "predict", str(bundle), *map(str, files)]
    command += ["--format", layout, "--explain", explain]
    command += [] if threshold is None else ["--threshold", str(threshold)]
    command += [] if out is None else ["--out", str(out)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
