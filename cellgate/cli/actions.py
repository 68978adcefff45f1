"""Commands about what is there already: show, cancel, pause, resume, retry."""

from collections.abc import Mapping
from typing import Annotated

import typer

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of, no_id
from cellgate.cli.watch import progress
from cellgate.client.calls import Kind
from cellgate.client.client import Client
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer

AnyId = Annotated[str, typer.Argument(metavar="ID", help="An experiment (exp_…), a job (job_…) or a run (run_…).")]
JobOrRunId = Annotated[str, typer.Argument(metavar="ID", help="A job (job_…) or a run (run_…).")]
KINDS: Mapping[str, Kind] = {"exp": "experiments", "job": "jobs", "run": "runs"}
STOPPABLE: Mapping[str, Kind] = {"job": "jobs", "run": "runs"}
A_KIND = {"exp": "an experiment", "job": "a job", "run": "a run"}


def show(context: typer.Context, identifier: AnyId, as_json: AsJson = False) -> None:
    """Show how far an experiment, a job or a run is, and what its runs wait for."""
    with client_of(context) as client:
        found = _found(client, identifier)
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    console = tables.terminal()
    match found:
        case ExperimentAnswer():
            console.print(progress(found.state, found.jobs))
        case JobAnswer():
            console.print(progress(found.state, [found]))
        case RunAnswer():
            tables.show_run(console, found)


def cancel(context: typer.Context, identifier: AnyId) -> None:
    """Cancel what has not ended of an experiment, a job or a run."""
    with client_of(context) as client:
        client.act("cancel", _kind(identifier, KINDS), identifier)
    _say(f"{identifier} is being cancelled.")


def pause(context: typer.Context, identifier: JobOrRunId) -> None:
    """Pause a job or a run: what waits leaves the queue, what runs saves a checkpoint first."""
    with client_of(context) as client:
        client.act("pause", _kind(identifier, STOPPABLE), identifier)
    _say(f"{identifier} is being paused: `cellgate resume {identifier}` lets it go on.")


def resume(context: typer.Context, identifier: JobOrRunId) -> None:
    """Put a paused job or run back into the queue; it goes on from its checkpoint."""
    with client_of(context) as client:
        client.act("resume", _kind(identifier, STOPPABLE), identifier)
    _say(f"{identifier} is queued again.")


def retry(context: typer.Context, identifier: JobOrRunId) -> None:
    """Try a failed or cancelled run again, or every such run of a job; its experiment goes on by itself."""
    with client_of(context) as client:
        client.act("retry", _kind(identifier, STOPPABLE), identifier)
    _say(f"{identifier} is tried again, from its last checkpoint.")


def _found(client: Client, identifier: str) -> ExperimentAnswer | JobAnswer | RunAnswer:
    match _kind(identifier, KINDS):
        case "experiments":
            return client.experiment(identifier)
        case "jobs":
            return client.job(identifier)
        case "runs":
            return client.run(identifier)


def _kind(identifier: str, kinds: Mapping[str, Kind]) -> Kind:
    kind = kinds.get(identifier.partition("_")[0])
    if kind is None:
        *others, last = [f"{A_KIND[prefix]} ({prefix}_…)" for prefix in kinds]
        raise no_id(identifier, f"{', '.join(others)} or {last}")
    return kind


def _say(message: str) -> None:
    tables.terminal().print(message, markup=False)
