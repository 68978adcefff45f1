"""Commands about a run's output, events and files: logs, events, artifacts, download."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column, print_rows
from cellgate.cli.connection import AsJson, RunArgument, client_of
from cellgate.cli.consoles import terminal
from cellgate.contract.api.runs import ArtifactAnswer, EventAnswer
from cellgate.contract.visible import visible_parts

app = typer.Typer()
SHOWN_CHARACTERS = 200
EVENTS: Sequence[Column[EventAnswer]] = (
    Column(title="id", text=lambda event: str(event.id), is_number=True),
    Column(title="time", text=lambda event: f"{event.at:%Y-%m-%d %H:%M:%S}"),
    Column(title="kind", text=lambda event: escape(event.kind)),
    Column(title="run", text=lambda event: event.run or "", rank=1),
    Column(title="", text=lambda event: _body(event), shortest=30),
)
FILES: Sequence[Column[ArtifactAnswer]] = (
    Column(title="file", text=lambda file: escape(file.name)),
    Column(title="bytes", text=lambda file: f"{file.size:,}", is_number=True),
    Column(title="SHA-256", text=lambda file: file.sha256[:16], rank=1),
)


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
        run = client.find(run, "runs").id
        chunks = client.follow_logs(run, attempt=attempt) if follow else client.logs(run, attempt=attempt)
        texts = (chunk.text for chunk in chunks)
        for text in texts if raw else visible_parts(texts):
            print(text, end="", flush=follow)


@app.command()
def events(
    context: typer.Context,
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Id of an experiment or a run, its beginning, or a name.")
    ],
    tail: Annotated[int, typer.Option(min=1, help="Number of events, counted from the end.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the newest events of an experiment or a run."""
    with client_of(context) as client:
        about = client.find(identifier, "experiments", "runs")
        kind: Literal["experiments", "runs"] = "runs" if about.collection == "runs" else "experiments"
        found = client.last_events(kind, about.id, count=tail)
    if as_json:
        tables.print_list(found)
    else:
        print_rows(terminal(), found, EVENTS)


def _body(event: EventAnswer) -> str:
    text = json.dumps(event.body, ensure_ascii=False)
    return escape(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")


@app.command()
def artifacts(context: typer.Context, run: RunArgument, as_json: AsJson = False) -> None:
    """List the files that a run has written."""
    with client_of(context) as client:
        found = client.artifacts(client.find(run, "runs").id)
    if as_json:
        tables.print_list(found)
    else:
        print_rows(terminal(), found, FILES)


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
        client.download_artifact(client.find(run, "runs").id, name, path)
    terminal().print(f"{path} is written.", markup=False)
