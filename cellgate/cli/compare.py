"""`cellgate compare`: runs side by side in the terminal."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.formatting import CELLS, score

RunIds = Annotated[list[str], typer.Argument(metavar="RUN RUN…", help="Ids of two or more runs (run_…).")]


def compare(context: typer.Context, runs: RunIds, as_json: AsJson = False) -> None:
    """Compare runs: which settings differ, and what came of it."""
    with client_of(context) as client:
        found = client.compare(runs)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for run in found.runs:
        table.add_column(f"{CELLS[run.cell]} seed {run.seed}\n[dim]{run.id}[/]", justify="right")
    for pointer, values in found.config.items():
        table.add_row(escape(pointer), *(escape(_shown(value)) for value in values))
    if found.config:
        table.add_section()
    for name, measured in found.metrics.items():
        table.add_row(escape(name), *(score(value) for value in measured))
    tables.terminal().print(table)


def _shown(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
