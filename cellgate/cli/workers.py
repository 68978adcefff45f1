"""`cellgate worker`: list workers, and let one drain."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.listing import Limit, show_list
from cellgate.client._sync.client import Client
from cellgate.client.errors import NotIdentified, Refused
from cellgate.contract.api.operations import WorkerAnswer

app = typer.Typer()
worker_app = typer.Typer(no_args_is_help=True, help="List workers, and let one drain.")
app.add_typer(worker_app, name="worker")
WorkerArgument = Annotated[
    str, typer.Argument(metavar="WORKER", help="Id of a worker, as `cellgate worker ls` lists it, or its beginning.")
]


COLUMNS: Sequence[Column[WorkerAnswer]] = (
    Column(title="id", text=lambda worker: escape(worker.id)),
    Column(title="state", text=lambda worker: _state(worker)),
    Column(title="queues", text=lambda worker: escape(", ".join(worker.queues)), shortest=10),
    Column(title="at work", text=lambda worker: f"{len(worker.runs)} of {worker.slots}", is_number=True),
    Column(title="runs", text=lambda worker: " ".join(worker.runs), rank=1),
)


@worker_app.command("ls")
def list_workers(context: typer.Context, limit: Limit = None, as_json: AsJson = False) -> None:
    """List the workers, silent ones included."""
    with client_of(context) as client:
        found = client.workers()
    show_list(found, COLUMNS, limit=limit, as_json=as_json, count=lambda: len(found), newest_first=False)


@worker_app.command()
def drain(context: typer.Context, worker: WorkerArgument) -> None:
    """Let a worker finish its runs and claim no more."""
    with client_of(context) as client:
        found = _of_worker(client, worker, client.drain)
    left = f"{len(found.runs)} of its runs go on" if found.runs else "it has nothing at work"
    terminal().print(f"{found.id} takes nothing more; {left}.", markup=False)


@worker_app.command()
def resume(context: typer.Context, worker: WorkerArgument) -> None:
    """Let a drained worker claim runs again."""
    with client_of(context) as client:
        found = _of_worker(client, worker, client.undrain)
    terminal().print(f"{found.id} takes runs again.", markup=False)


def _of_worker(client: Client, wanted: str, action: Callable[[str], WorkerAnswer]) -> WorkerAnswer:
    """Do it to the worker with this id or, where there is none, to the only one whose id begins so."""
    try:
        return action(wanted)
    except Refused as error:
        if error.code != "not_found" or not wanted:
            raise
        begin = [worker.id for worker in client.workers() if worker.id.startswith(wanted)]
        if not begin:
            raise
    if len(begin) > 1:
        several = "\n  ".join([f"{wanted} is the beginning of {len(begin)} workers' ids; give more of one:", *begin])
        raise NotIdentified(several, candidates=begin)
    return action(begin[0])


def _state(worker: WorkerAnswer) -> str:
    if not worker.alive:
        return "[red]silent[/]"
    return "[yellow]draining[/]" if worker.draining else "[green]alive[/]"
