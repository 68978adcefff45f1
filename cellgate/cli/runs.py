"""`cellgate runs` and `cellgate queue`: what is at work and what waits, over all experiments."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.formatting import CELLS, duration, score, state
from cellgate.cli.listing import Limit, age, show_list
from cellgate.cli.progress import activity
from cellgate.contract.api.operations import QueueAnswer, WorkerAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.cells import Cell
from cellgate.contract.states import RunState

app = typer.Typer()
runs_app = typer.Typer(no_args_is_help=True, help="List runs, over all experiments.")
queue_app = typer.Typer(no_args_is_help=True, help="List the queues: what waits, and who serves them.")
app.add_typer(runs_app, name="runs")
app.add_typer(queue_app, name="queue")


RUNS: Sequence[Column[RunAnswer]] = (
    Column(title="id", text=lambda run: run.id),
    Column(title="cell", text=lambda run: CELLS[run.cell]),
    Column(title="seed", text=lambda run: str(run.seed), is_number=True),
    Column(title="state", text=lambda run: state(run.state)),
    Column(title="F1", text=lambda run: score(run.f1), is_number=True),
    Column(title="took", text=lambda run: duration(tables.time_taken_s(run)), is_number=True),
    Column(title="age", text=lambda run: age(run.created_at), is_number=True, rank=2),
    Column(title="", text=lambda run: escape(activity(run)), shortest=10, rank=1),
    Column(title="experiment", text=lambda run: run.experiment or "", rank=3),
)
QUEUES: Sequence[Column[QueueAnswer]] = (
    Column(title="queue", text=lambda queue: escape(queue.name)),
    Column(title="waiting", text=lambda queue: str(queue.queued), is_number=True),
    Column(title="longest", text=lambda queue: duration(queue.oldest_wait_s), is_number=True),
    Column(title="at work", text=lambda queue: str(queue.running), is_number=True),
    Column(title="paused", text=lambda queue: str(queue.paused), is_number=True),
    Column(title="workers", text=lambda queue: str(queue.workers), is_number=True),
    Column(title="free slots", text=lambda queue: f"{queue.free_slots} of {queue.slots}", is_number=True),
)


@runs_app.command("ls")
def list_runs(
    context: typer.Context,
    of_state: Annotated[list[RunState] | None, typer.Option("--state", help="State to list; may be repeated.")] = None,
    cell: Annotated[list[Cell] | None, typer.Option(help="Cell to list; may be repeated.")] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="ID", help="Only runs of this one; an id or a name.")
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the runs, the newest last.

    Why one waits or failed: `cellgate show RUN`.
    """
    with client_of(context) as client:
        filters = {
            "state": [one.value for one in of_state or ()],
            "cell": [one.value for one in cell or ()],
            "experiment": None if experiment is None else client.find(experiment, "experiments").id,
        }
        show_list(
            client.runs(**filters), RUNS, limit=limit, as_json=as_json, count=partial(client.count, "runs", **filters)
        )


@queue_app.command("ls")
def list_queues(context: typer.Context, limit: Limit = None, as_json: AsJson = False) -> None:
    """List the queues that have work or workers, with what starts a worker where none serves."""
    with client_of(context) as client:
        found = client.queues()
        workers = [] if as_json else client.workers()
    show_list(found, QUEUES, limit=limit, as_json=as_json, count=lambda: len(found), newest_first=False)
    if as_json:
        return
    console = terminal()
    for queue in found:
        if queue.queued and not queue.workers:
            # Whole, for copying.
            console.print(escape(_what_to_do(queue.name, workers)), style="yellow", soft_wrap=True)


def _what_to_do(queue: str, workers: Sequence[WorkerAnswer]) -> str:
    """Return why nobody serves a queue, and what changes it."""
    for worker in workers:
        if worker.alive and queue in worker.queues:
            return f"Every worker of queue {queue} drains: `cellgate worker resume {worker.id}` ends that."
    start = f"CELLGATE_QUEUES='{json.dumps([queue])}' cellgate run-worker"
    return f"No worker serves queue {queue}: `{start}` starts one."
