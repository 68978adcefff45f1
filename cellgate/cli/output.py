"""`cellgate logs`, `artifacts` and `download`: what a run printed and left behind."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run (run_…).")]


def logs(
    context: typer.Context,
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Only this try at it.")] = None,
) -> None:
    """Print what a run's trainers printed."""
    with client_of(context) as client:
        for chunk in client.follow_logs(run, attempt=attempt) if follow else client.logs(run, attempt=attempt):
            print(chunk.text, end="", flush=follow)


def artifacts(context: typer.Context, run: RunId, as_json: AsJson = False) -> None:
    """List the files that a run has left."""
    with client_of(context) as client:
        found = client.artifacts(run)
    if as_json:
        tables.print_list(found)
        return
    table = tables.table("file", "bytes", "SHA-256", numbers=("bytes",))
    for file in found:
        table.add_row(escape(file.name), f"{file.size:,}", file.sha256[:16])
    tables.terminal().print(table)


def download(
    context: typer.Context,
    run: RunId,
    name: Annotated[str, typer.Argument(help="As `cellgate artifacts` names it.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: its own name, here.")] = None,
) -> None:
    """Download a file that a run has left; its SHA-256 is checked."""
    path = out or Path(name.rpartition("/")[2])
    with client_of(context) as client:
        client.download_artifact(run, name, path)
    tables.terminal().print(f"{path} is written.", markup=False)
