"""Commands about a run's output, events and files: logs, events, artifacts, download."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, RunArgument, client_of, no_id
from cellgate.cli.consoles import terminal
from cellgate.contract.api.runs import EventAnswer
from cellgate.contract.visible import visible_parts

app = typer.Typer()
SHOWN_CHARACTERS = 200


@app.command()
def logs(
    context: typer.Context,
    run: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Number of one attempt.")] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print it as it is, colours and whatever else it tells a terminal."),
    ] = False,
) -> None:
    """Print a run's output.

    Control and invisible characters are shown as escapes.
    """
    with client_of(context) as client:
        chunks = client.follow_logs(run, attempt=attempt) if follow else client.logs(run, attempt=attempt)
        texts = (chunk.text for chunk in chunks)
        for text in texts if raw else visible_parts(texts):
            print(text, end="", flush=follow)


@app.command()
def events(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Id of an experiment (exp_…) or a run (run_…).")],
    tail: Annotated[int, typer.Option(min=1, help="Number of events, counted from the end.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest events of an experiment or a run."""
    with client_of(context) as client:
        match identifier.partition("_")[0]:
            case "exp":
                found = client.last_events("experiments", identifier, count=tail)
            case "run":
                found = client.last_events("runs", identifier, count=tail)
            case _:
                raise no_id(identifier, "an experiment (exp_…) or a run (run_…)")
    if as_json:
        tables.print_list(found)
        return
    table = tables.table("id", "time", "run", "kind", "", numbers=("id",))
    for event in found:
        table.add_row(str(event.id), f"{event.at:%Y-%m-%d %H:%M:%S}", event.run or "", escape(event.kind), _body(event))
    terminal().print(table)


def _body(event: EventAnswer) -> str:
    text = json.dumps(event.body, ensure_ascii=False)
    return escape(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")


@app.command()
def artifacts(context: typer.Context, run: RunArgument, as_json: AsJson = False) -> None:
    """List the files that a run has written."""
    with client_of(context) as client:
        found = client.artifacts(run)
    if as_json:
        tables.print_list(found)
        return
    table = tables.table("file", "bytes", "SHA-256", numbers=("bytes",))
    for file in found:
        table.add_row(escape(file.name), f"{file.size:,}", file.sha256[:16])
    terminal().print(table)


@app.command()
def download(
    context: typer.Context,
    run: RunArgument,
    name: Annotated[str, typer.Argument(help="Name of the file, as `cellgate artifacts` lists it.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: its own name in this folder.")] = None,
) -> None:
    """Download a run's file and check its SHA-256."""
    path = out or Path(name.rpartition("/")[2])
    with client_of(context) as client:
        client.download_artifact(run, name, path)
    terminal().print(f"{path} is written.", markup=False)
