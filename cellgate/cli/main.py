"""The `cellgate` command: a client of the API, and `up`, which runs everything on this machine.

Exit codes: 0 done; 1 it ended without success (failed, cancelled, gate not passed); 2 wrong usage, settings or spec
file; 3 the server refused; 4 no server answers; 5 not decided yet; 6 a decision is not what its evidence gives
(`decision verify`); 9 at least one function is above the threshold (`predict`, whose other codes are those of
`python -m trainers predict`); 130 interrupted, what was started goes on.
"""

import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console

from cellgate.cli import tables
from cellgate.cli.actions import cancel, pause, resume, retry, show
from cellgate.cli.bundles import bundle_app, predict
from cellgate.cli.compare import compare
from cellgate.cli.connection import AsJson, client_of, connect, no_id
from cellgate.cli.curves import metrics
from cellgate.cli.gate_decision import decision_app, gate_app
from cellgate.cli.output import artifacts, download, logs
from cellgate.cli.report import experiment_report
from cellgate.cli.spec_files import BadInput, named_dataset, read_spec
from cellgate.cli.watch import watch_dataset, watch_experiment, watch_job
from cellgate.cli.workers import worker_app
from cellgate.client.calls import Refused, ServerAway
from cellgate.client.client import Client
from cellgate.client.files import Damaged
from cellgate.contract.api.experiments import ExperimentAnswer
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.files import write_json
from cellgate.contract.states import DatasetState, ExperimentState, JobState
from service.commands.tokens import token_app


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    NO_SUCCESS = 1
    USAGE = 2
    REFUSED = 3
    SERVER_AWAY = 4
    UNDECIDED = 5
    DIFFERS = 6
    INTERRUPTED = 130


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
dataset_app = typer.Typer(no_args_is_help=True, help="Data sets: add, list, show.")
app.add_typer(dataset_app, name="dataset")
app.add_typer(token_app, name="token")
app.add_typer(gate_app, name="gate")
app.add_typer(decision_app, name="decision")
app.add_typer(bundle_app, name="bundle")
app.add_typer(worker_app, name="worker")
app.callback()(connect)

ExperimentId = Annotated[str, typer.Argument(metavar="ID", help="Id of an experiment (exp_…).")]


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
    from service.commands.settings import said
    from service.local_stack import StackFailed, run_local_stack
    from service.telemetry.logs import set_up_logging

    settings = said(host=host, port=port, slots=slots, data_dir=data_dir, data_roots=data_root or [Path.cwd()])
    set_up_logging(settings.log_format)
    try:
        run_local_stack(settings, with_worker=worker, announce=_announce)
    except StackFailed as error:
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
    from service.commands.settings import said
    from service.run import CannotServe, run_api

    try:
        run_api(said(host=host, port=port))
    except CannotServe as error:
        raise BadInput(str(error)) from error


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from service.commands.settings import said
    from service.store.database import UnsuitableDatabase
    from service.store.database import migrate as bring_up_to_date

    try:
        bring_up_to_date(said().database)
    except UnsuitableDatabase as error:
        raise BadInput(str(error)) from error


@dataset_app.command("add")
def dataset_add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .jsonl, .json or .csv file, also with .gz.")],
    name: Annotated[str | None, typer.Option(help="Default: the file's name.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML or JSON: fields, splits, group_by …")] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Send the file; else it lies below one of the server's data roots.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is prepared.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prepare a data set from a file of labelled functions."""
    if upload and not file.is_file():
        raise BadInput(f"{file} is no file that could be sent")
    body: dict[str, Any] = {**(read_spec(config) if config else {}), "source": str(file.resolve())}
    body["name"] = name or body.get("name") or file.name.partition(".")[0]
    console = tables.terminal()
    with client_of(context) as client:
        if upload:
            body["source"] = client.upload(file, file.name).source
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
        tables.print_list(client.datasets()) if as_json else tables.show_datasets(tables.terminal(), client.datasets())


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
            raise no_id(identifier, "an experiment (exp_…), a job (job_…) or a data set (ds_…)")
    tables.show_runs(console, [client.run(run.id) for job in jobs for run in job.runs])
    if not succeeded:
        raise typer.Exit(Exit.NO_SUCCESS)


@app.command()
def ls(
    context: typer.Context,
    state: Annotated[list[ExperimentState] | None, typer.Option(help="In this state; may be given again.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="With this key:value; may be given again.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments, newest first."""
    with client_of(context) as client:
        found = client.experiments(state=[one.value for one in state or ()], label=label or ())
        if as_json:
            tables.print_list(found)
        else:
            tables.show_experiments(tables.terminal(), found)


for command in (show, cancel, pause, resume, retry, metrics, compare, predict, logs, artifacts, download):
    app.command()(command)


@app.command()
def report(
    context: typer.Context,
    experiment: ExperimentId,
    html: Annotated[Path | None, typer.Option(help="Decision, gate and evidence as one page to send around.")] = None,
    out: Annotated[Path | None, typer.Option(help="All that is known, with every run's result, as JSON.")] = None,
) -> None:
    """Write what an experiment found: as a page, as one JSON document, or both."""
    if html is None and out is None:
        raise BadInput("nothing to write: give --html FILE, --out FILE, or both")
    with client_of(context) as client:
        if html is not None:
            client.download_report(experiment, html)
        if out is not None:
            write_json(out, experiment_report(client, experiment))


def _print_json(answer: BaseModel) -> None:
    print(answer.model_dump_json(indent=2))


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
    except Damaged as error:
        code, message = Exit.NO_SUCCESS, str(error)
    else:
        return
    _complain(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
