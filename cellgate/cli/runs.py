"""`cellgate runs` and `cellgate queue`: what is at work and what waits, over all experiments."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.formatting import CELLS, duration, score, state
from cellgate.contract.api.operations import WorkerAnswer
from cellgate.contract.cells import Cell
from cellgate.contract.states import RunState

app = typer.Typer()
runs_app = typer.Typer(no_args_is_help=True, help="List runs, over all experiments.")
queue_app = typer.Typer(no_args_is_help=True, help="List the queues: what waits, and who serves them.")
app.add_typer(runs_app, name="runs")
app.add_typer(queue_app, name="queue")


@runs_app.command("ls")
def list_runs(
    context: typer.Context,
    of_state: Annotated[list[RunState] | None, typer.Option("--state", help="State to list; may be repeated.")] = None,
    cell: Annotated[list[Cell] | None, typer.Option(help="Cell to list; may be repeated.")] = None,
    experiment: Annotated[str | None, typer.Option(metavar="EXP", help="Only runs of this experiment.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Runs at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the runs, newest first.

    Why one waits or failed: `cellgate show RUN`.
    """
    with client_of(context) as client:
        found = client.runs(
            state=[one.value for one in of_state or ()], cell=[one.value for one in cell or ()], experiment=experiment
        )
        newest = list(islice(found, limit + 1))
    shown = newest[:limit]
    if as_json:
        tables.print_list(shown)
        return
    table = tables.table("run", "cell", "seed", "state", "F1", "took", numbers=("run", "seed", "F1", "took"))
    for run in shown:
        took = duration(tables.time_taken_s(run))
        table.add_row(run.id, CELLS[run.cell], str(run.seed), state(run.state), score(run.f1), took)
    console = terminal()
    console.print(table)
    if len(newest) > limit:
        console.print(f"These are the newest {limit}; --limit lists more.", style="dim")


@queue_app.command("ls")
def list_queues(context: typer.Context, as_json: AsJson = False) -> None:
    """List the queues that have work or workers, with what starts a worker where none serves."""
    with client_of(context) as client:
        found = client.queues()
        workers = [] if as_json else client.workers()
    if as_json:
        tables.print_list(found)
        return
    numbers = ("waiting", "longest", "at work", "paused", "workers", "free slots")
    table = tables.table("queue", *numbers, numbers=numbers)
    for queue in found:
        free = f"{queue.free_slots} of {queue.slots}"
        counts = (str(queue.queued), duration(queue.oldest_wait_s), str(queue.running), str(queue.paused))
        table.add_row(escape(queue.name), *counts, str(queue.workers), free)
    console = terminal()
    console.print(table)
    for queue in found:
        if queue.queued and not queue.workers:
            console.print(escape(_what_to_do(queue.name, workers)), style="yellow")


def _what_to_do(queue: str, workers: Sequence[WorkerAnswer]) -> str:
    """Return why nobody serves a queue, and what changes it."""
    for worker in workers:
        if worker.alive and queue in worker.queues:
            return f"Every worker of queue {queue} drains: `cellgate worker resume {worker.id}` ends that."
    start = f"CELLGATE_QUEUES='{json.dumps([queue])}' cellgate run-worker"
    return f"No worker serves queue {queue}: `{start}` starts one."
