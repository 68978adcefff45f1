"""The `cellgate` command: a client of the API, and `up`, which runs everything on this machine.

Exit codes: 0 done; 1 it ended without success (failed, cancelled, gate not passed); 2 wrong usage, settings or spec
file; 3 the server refused; 4 no server answers; 5 not decided yet; 130 interrupted, what was started goes on.
"""

import sys
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console

from service.api.schemas import ExperimentAnswer, JobAnswer
from service.client import DEFAULT_SERVER, Client, Kind, Refused, ServerAway
from service.console import tables
from service.console.report import PENDING, experiment_report
from service.console.spec_files import BadInput, named_dataset, read_spec
from service.console.watching import watch_dataset, watch_experiment, watch_job
from service.domain.states import DatasetState, ExperimentState, JobState
from trainers.artifacts import write_json


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    NO_SUCCESS = 1
    USAGE = 2
    REFUSED = 3
    SERVER_AWAY = 4
    UNDECIDED = 5
    INTERRUPTED = 130


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
dataset_app = typer.Typer(no_args_is_help=True, help="Data sets: add, list, show.")
app.add_typer(dataset_app, name="dataset")

Server = Annotated[str, typer.Option(envvar="CELLGATE_SERVER", help="Address of the API.")]
Token = Annotated[str | None, typer.Option(envvar="CELLGATE_TOKEN", help="Bearer token.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AnyId = Annotated[str, typer.Argument(metavar="ID", help="An experiment (exp_…), a job (job_…) or a run (run_…).")]
JobOrRunId = Annotated[str, typer.Argument(metavar="ID", help="A job (job_…) or a run (run_…).")]
KINDS: Mapping[str, Kind] = {"exp": "experiments", "job": "jobs", "run": "runs"}
STOPPABLE: Mapping[str, Kind] = {"job": "jobs", "run": "runs"}
A_KIND = {"exp": "an experiment", "job": "a job", "run": "a run"}
ExperimentId = Annotated[str, typer.Argument(metavar="ID", help="Id of an experiment (exp_…).")]


@app.callback()
def connect(context: typer.Context, server: Server = DEFAULT_SERVER, token: Token = None) -> None:
    """Remember which server the command is for."""
    context.obj = (server, token)


def client_of(context: typer.Context) -> Client:
    """Return a client of the server that the command line names."""
    server, token = context.find_root().obj
    return Client(server, token=token)


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    slots: Annotated[int | None, typer.Option(help="Runs that train at the same time.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of everything that is kept.")] = None,
    data_root: Annotated[
        list[Path] | None, typer.Option(help="Folder that data sets may be read from; default: the current one.")
    ] = None,
    worker: Annotated[bool, typer.Option(help="Run a worker here.")] = True,
) -> None:
    """Run API, worker, reconciler and broker on this machine until Ctrl-C."""
    from service.console.house import HouseFailed, keep_house
    from service.console.settings import said
    from service.logs import set_up_logging

    settings = said(host=host, port=port, slots=slots, data_dir=data_dir, data_roots=data_root or [Path.cwd()])
    set_up_logging(settings.log_format)
    try:
        keep_house(settings, with_worker=worker, announce=_announce)
    except HouseFailed as error:
        _complain(str(error))
        raise typer.Exit(Exit.NO_SUCCESS) from error


def _announce(url: str) -> None:
    print(f"Cellgate is at {url}  (Ctrl-C stops it)", flush=True)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Run the API alone; workers and the reconciler (`python -m worker`) are processes of their own."""
    from service.console.serving import run_api
    from service.console.settings import said

    run_api(said(host=host, port=port))


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from service.console.settings import said
    from service.store.database import UnsuitableDatabase
    from service.store.database import migrate as bring_up_to_date

    try:
        bring_up_to_date(said().database)
    except UnsuitableDatabase as error:
        raise BadInput(str(error)) from error


@dataset_app.command("add")
def dataset_add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .jsonl or .jsonl.gz file below one of the server's data roots.")],
    name: Annotated[str | None, typer.Option(help="Default: the file's name.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML or JSON: fields, splits, group_by …")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is prepared.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prepare a data set from a file of labelled functions."""
    body: dict[str, Any] = {**(read_spec(config) if config else {}), "source": str(file.resolve())}
    body["name"] = name or body.get("name") or file.name.partition(".")[0]
    console = tables.terminal()
    with client_of(context) as client:
        dataset = client.add_dataset(body)
        if wait:
            dataset = watch_dataset(client, dataset.id, Console(stderr=True) if as_json else console)
    if as_json:
        _print_json(dataset)
    else:
        tables.show_dataset(console, dataset)
    if dataset.state is DatasetState.FAILED:
        raise typer.Exit(Exit.NO_SUCCESS)


@dataset_app.command("ls")
def dataset_ls(context: typer.Context, as_json: AsJson = False) -> None:
    """List the data sets, newest first."""
    with client_of(context) as client:
        _print_list(client.datasets()) if as_json else tables.show_datasets(tables.terminal(), client.datasets())


@dataset_app.command("show")
def dataset_show(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="ID|NAME", help="Id (ds_…) or name.")],
    as_json: AsJson = False,
) -> None:
    """Show a data set: its splits, graphs and warnings."""
    with client_of(context) as client:
        found = client.dataset(named_dataset(client.datasets(), dataset))
    _print_json(found) if as_json else tables.show_dataset(tables.terminal(), found)


@app.command()
def submit(
    context: typer.Context,
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="YAML or JSON: an experiment, or a job with a `cell`.")],
    dataset: Annotated[str | None, typer.Option(help="Id or name of the data set; wins over the file's.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit an experiment, or one cell."""
    body = read_spec(spec)
    with client_of(context) as client:
        if wanted := dataset or body.get("dataset"):
            body["dataset"] = named_dataset(client.datasets(), str(wanted))
        submitted: JobAnswer | ExperimentAnswer
        submitted = client.submit_job(body) if "cell" in body else client.submit_experiment(body)
        if as_json:
            _print_json(submitted)
        elif isinstance(submitted, JobAnswer):
            tables.show_job(tables.terminal(), submitted)
        else:
            hint = "" if watch else f": `cellgate watch {submitted.id}` shows it"
            tables.terminal().print(f"Experiment {submitted.id}{hint}", markup=False)
        if watch:
            _watch(client, submitted.id)


@app.command()
def watch(
    context: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="An experiment, a job or a data set.")],
) -> None:
    """Watch until it ends: progress of every run, ETA, F1; exit code 0 when it succeeded, else 1."""
    with client_of(context) as client:
        _watch(client, identifier)


def _watch(client: Client, identifier: str) -> None:
    console = tables.terminal()
    match identifier.partition("_")[0]:
        case "exp":
            experiment = watch_experiment(client, identifier, console)
            jobs, succeeded = experiment.jobs, experiment.state is ExperimentState.SUCCEEDED
            if experiment.failure_detail:
                _complain(experiment.failure_detail)
        case "job":
            job = watch_job(client, identifier, console)
            jobs, succeeded = [job], job.state is JobState.SUCCEEDED
        case "ds":
            dataset = watch_dataset(client, identifier, console)
            tables.show_dataset(console, dataset)
            jobs, succeeded = [], dataset.state is DatasetState.READY
        case _:
            raise _no_id(identifier, "an experiment (exp_…), a job (job_…) or a data set (ds_…)")
    tables.show_runs(console, [client.run(run.id) for job in jobs for run in job.runs])
    if not succeeded:
        raise typer.Exit(Exit.NO_SUCCESS)


@app.command()
def ls(context: typer.Context, as_json: AsJson = False) -> None:
    """List the experiments, newest first."""
    with client_of(context) as client:
        if as_json:
            _print_list(client.experiments())
        else:
            tables.show_experiments(tables.terminal(), client.experiments())


@app.command()
def gate(context: typer.Context, experiment: ExperimentId, as_json: AsJson = False) -> None:
    """Show the gate's report; exit code 0 when it passed, 1 when not, 5 while it is pending."""
    with client_of(context) as client:
        report = client.gate(experiment)
    _print_json(report) if as_json else tables.show_gate(tables.terminal(), report)
    codes = {"pass": Exit.DONE, "fail": Exit.NO_SUCCESS, "pending": Exit.UNDECIDED}
    raise typer.Exit(codes[report.verdict])


@app.command()
def decision(context: typer.Context, experiment: ExperimentId, as_json: AsJson = False) -> None:
    """Show the last decision with its evidence; exit code 5 while there is none."""
    with client_of(context) as client:
        try:
            taken = client.decision(experiment)
        except Refused as refusal:
            if refusal.code != PENDING:
                raise
            _complain(str(refusal))
            raise typer.Exit(Exit.UNDECIDED) from refusal
    _print_json(taken) if as_json else tables.show_decision(tables.terminal(), taken)


@app.command()
def cancel(context: typer.Context, identifier: AnyId) -> None:
    """Cancel what has not ended of an experiment, a job or a run."""
    with client_of(context) as client:
        client.act("cancel", _kind(identifier, KINDS), identifier)
    _say(f"{identifier} is being cancelled.")


@app.command()
def pause(context: typer.Context, identifier: JobOrRunId) -> None:
    """Pause a job or a run: what waits leaves the queue, what runs saves a checkpoint first."""
    with client_of(context) as client:
        client.act("pause", _kind(identifier, STOPPABLE), identifier)
    _say(f"{identifier} is being paused: `cellgate resume {identifier}` lets it go on.")


@app.command()
def resume(context: typer.Context, identifier: JobOrRunId) -> None:
    """Put a paused job or run back into the queue; it goes on from its checkpoint."""
    with client_of(context) as client:
        client.act("resume", _kind(identifier, STOPPABLE), identifier)
    _say(f"{identifier} is queued again.")


@app.command()
def retry(context: typer.Context, identifier: JobOrRunId) -> None:
    """Try a failed or cancelled run again, or every such run of a job; its experiment goes on by itself."""
    with client_of(context) as client:
        client.act("retry", _kind(identifier, STOPPABLE), identifier)
    _say(f"{identifier} is tried again, from its last checkpoint.")


def _kind(identifier: str, kinds: Mapping[str, Kind]) -> Kind:
    kind = kinds.get(identifier.partition("_")[0])
    if kind is None:
        *others, last = [f"{A_KIND[prefix]} ({prefix}_…)" for prefix in kinds]
        raise _no_id(identifier, f"{', '.join(others)} or {last}")
    return kind


def _say(message: str) -> None:
    tables.terminal().print(message, markup=False)


@app.command()
def report(
    context: typer.Context,
    experiment: ExperimentId,
    out: Annotated[Path, typer.Option(help="File to write.")],
) -> None:
    """Write one JSON document: experiment, data set, every run's result, gate, decision with its evidence."""
    with client_of(context) as client:
        document = experiment_report(client, experiment)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, document)


def _print_json(answer: BaseModel) -> None:
    print(answer.model_dump_json(indent=2))


def _print_list(answers: Iterable[BaseModel]) -> None:
    print("[" + ",\n".join(answer.model_dump_json() for answer in answers) + "]")


def _no_id(found: str, expected: str) -> typer.BadParameter:
    return typer.BadParameter(f"{found!r} is no id of {expected}")


def _complain(message: str) -> None:
    Console(stderr=True, highlight=False).print(message, style="red", markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line; the exit code says how it ended."""
    try:
        app()
    except BadInput as error:
        code, message = Exit.USAGE, str(error)
    except Refused as error:
        code, message = Exit.REFUSED, str(error)
    except ServerAway as error:
        code, message = Exit.SERVER_AWAY, str(error)
    else:
        return
    _complain(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
