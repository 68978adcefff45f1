"""`cellgate worker`: list workers, and let one drain."""

from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.contract.api.operations import WorkerAnswer

app = typer.Typer()
worker_app = typer.Typer(no_args_is_help=True, help="List workers, and let one drain.")
app.add_typer(worker_app, name="worker")
WorkerArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a worker, as `cellgate worker ls` lists it.")]


@worker_app.command("ls")
def list_workers(context: typer.Context, as_json: AsJson = False) -> None:
    """List the workers, silent ones included."""
    with client_of(context) as client:
        found = client.workers()
    if as_json:
        tables.print_list(found)
        return
    table = tables.table("worker", "state", "queues", "slots", "at work")
    for worker in found:
        slots = str(worker.slots)
        table.add_row(escape(worker.id), _state(worker), escape(", ".join(worker.queues)), slots, " ".join(worker.runs))
    terminal().print(table)


@worker_app.command()
def drain(context: typer.Context, worker: WorkerArgument) -> None:
    """Let a worker finish its runs and claim no more."""
    with client_of(context) as client:
        found = client.drain(worker)
    left = f"{len(found.runs)} of its runs go on" if found.runs else "it has nothing at work"
    terminal().print(f"{worker} takes nothing more; {left}.", markup=False)


@worker_app.command()
def resume(context: typer.Context, worker: WorkerArgument) -> None:
    """Let a drained worker claim runs again."""
    with client_of(context) as client:
        client.undrain(worker)
    terminal().print(f"{worker} takes runs again.", markup=False)


def _state(worker: WorkerAnswer) -> str:
    if not worker.alive:
        return "[red]silent[/]"
    return "[yellow]draining[/]" if worker.draining else "[green]alive[/]"
