"""Commands about experiments, jobs and runs: submit, watch, list, show, cancel, pause, resume, retry."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, ExperimentArgument, client_of
from cellgate.cli.consoles import complain, terminal
from cellgate.cli.dataset_names import named_dataset
from cellgate.cli.estimates import show_estimate, show_spent
from cellgate.cli.formatting import VERDICTS, duration, score, state_and_outcome
from cellgate.cli.listing import Limit, age, moment, show_list
from cellgate.cli.pages import page_of
from cellgate.cli.progress import progress
from cellgate.cli.spec_files import read_spec
from cellgate.cli.spec_settings import labels_of, set_fields
from cellgate.cli.watching import watch_dataset, watch_experiment, watch_job
from cellgate.client._sync.client import Client
from cellgate.client.errors import NotIdentified, Refused
from cellgate.client.identities import Identity
from cellgate.client.requests import ResourceKind, Verb
from cellgate.contract.api.estimates import SpentAnswer
from cellgate.contract.api.experiments import ExperimentAnswer, ExperimentSummary
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.conclusion import EXIT_OF, Outcome
from cellgate.contract.exit_codes import CommandExit, UsageError
from cellgate.contract.states import DatasetState, ExperimentState, JobState

app = typer.Typer()
AnyId = Annotated[
    str,
    typer.Argument(metavar="ID", help="Id of an experiment, a job or a run, its beginning, or a name."),
]
JobOrRunId = Annotated[str, typer.Argument(metavar="ID", help="Id of a job or a run, its beginning, or a name.")]
KINDS: Sequence[ResourceKind] = ("experiments", "jobs", "runs")
RETRIED: Sequence[ResourceKind] = ("jobs", "runs")
COLUMNS: Sequence[Column[ExperimentSummary]] = (
    Column(title="id", text=lambda one: one.id),
    Column(title="name", text=lambda one: escape(one.name), shortest=10),
    Column(title="state", text=state_and_outcome, shortest=20),
    Column(title="F1", text=lambda one: "" if one.f1 is None else score(one.f1.mean, 3), is_number=True),
    Column(title="gate", text=lambda one: VERDICTS[one.gate_verdict], rank=1),
    Column(title="runs", text=lambda one: f"{one.runs_done}/{one.runs_total}", is_number=True, rank=2),
    Column(title="data set", text=lambda one: escape(one.dataset_name), shortest=10, rank=4),
    Column(title="took", text=lambda one: duration(one.took_s), is_number=True, rank=3),
    Column(title="age", text=lambda one: age(one.created_at), is_number=True),
    Column(title="owner", text=lambda one: escape(one.owner or ""), shortest=10, rank=6),
    Column(title="created", text=lambda one: moment(one.created_at), rank=5),
)


@app.command()
def submit(
    context: typer.Context,
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="YAML or JSON: an experiment, or a job with a `cell`.")],
    dataset: Annotated[str | None, typer.Option(help="Id or name of the data set; replaces the file's.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the experiment; replaces the file's.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label of the experiment; may be repeated.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Field of the spec by dotted path, with a value as in YAML; may be repeated.",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Submit nothing: show time, memory, disk and cost of the experiment.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Submit an experiment, or one cell."""
    body = read_spec(spec)
    set_fields(body, setting or ())
    if name is not None:
        body["name"] = name
    if label:
        body["labels"] = {**(body.get("labels") or {}), **labels_of(label)}
    if "cell" in body and (dry_run or name is not None or label):
        raise UsageError("--dry-run, --name and --label are for experiments; this has a `cell`, which is a single job")
    with client_of(context) as client:
        if wanted := dataset or body.get("dataset"):
            body["dataset"] = named_dataset(client, str(wanted))
        if "cell" in body and body.get("experiment"):
            body["experiment"] = client.find(str(body["experiment"]), "experiments").id
        if dry_run:
            estimate = client.estimate(body)
            tables.print_json(estimate) if as_json else show_estimate(terminal(), estimate)
            return
        submitted: JobAnswer | ExperimentAnswer
        submitted = client.submit_job(body) if "cell" in body else client.submit_experiment(body)
        if as_json:
            tables.print_json(submitted)
        elif isinstance(submitted, JobAnswer):
            tables.show_job(terminal(), submitted)
        else:
            hint = "" if watch else f": `cellgate watch {submitted.id}` shows it"
            _print(f"Experiment {submitted.id}{hint}")
        if watch:
            _watch(client, submitted.id)


@app.command()
def seeds(
    context: typer.Context,
    experiment: ExperimentArgument,
    added: Annotated[list[int], typer.Argument(metavar="SEED…", min=0, help="Seeds that it does not have.")],
    watch: Annotated[bool, typer.Option("--watch", help="Watch the new experiment until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add seeds to an experiment that has decided.

    Makes a new experiment over all seeds, which reuses what is trained already and decides anew; the old one stays.
    """
    with client_of(context) as client:
        experiment = client.find(experiment, "experiments").id
        made = client.add_seeds(experiment, added)
        if as_json:
            tables.print_json(made)
        else:
            _print(f"Experiment {made.id} extends {experiment}: seeds {', '.join(map(str, made.seeds))}.")
        if watch:
            _watch(client, made.id)


@app.command("watch")
def watch_anything(
    context: typer.Context,
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="Id of an experiment, a job or a data set, its beginning, or a name.")
    ],
) -> None:
    """Watch an experiment, a job or a data set until it ends.

    Shows progress, remaining time and F1 of every run. Exit code 0 when an experiment ships something and the evidence
    is clear, when every seed of a job succeeded, or when a data set is ready.
    """
    with client_of(context) as client:
        _watch(client, _watched(client, identifier))


@app.command("ls")
def list_experiments(
    context: typer.Context,
    state: Annotated[list[ExperimentState] | None, typer.Option(help="State to list; may be repeated.")] = None,
    outcome: Annotated[list[Outcome] | None, typer.Option(help="Outcome to list; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Label as key:value; may be repeated.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="List archived ones too.")] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments, the newest last."""
    filters = {
        "state": [one.value for one in state or ()],
        "outcome": [one.value for one in outcome or ()],
        "label": label or (),
        "archived": "all" if archived else None,
    }
    with client_of(context) as client:
        show_list(
            client.experiments(**filters),
            COLUMNS,
            limit=limit,
            as_json=as_json,
            count=partial(client.count, "experiments", **filters),
        )


@app.command()
def show(context: typer.Context, identifier: AnyId, as_json: AsJson = False) -> None:
    """Show the state of an experiment, a job or a run.

    Also shows progress, and the reason why a run waits.
    """
    with client_of(context) as client:
        found = _load(client, client.find(identifier, *KINDS))
        spent = _spent(client, found.id) if isinstance(found, ExperimentAnswer) and not as_json else None
    if as_json:
        tables.print_json(found)
        return
    console = terminal()
    match found:
        case ExperimentAnswer():
            console.print(
                progress(
                    found, found.jobs, page=page_of(client.server, Identity(collection="experiments", id=found.id))
                )
            )
            if spent is not None:
                show_spent(console, spent)
        case JobAnswer():
            console.print(progress(found, [found]))
        case RunAnswer():
            tables.show_run(console, found)


@app.command()
def cancel(context: typer.Context, identifier: AnyId) -> None:
    """Cancel the unfinished runs of an experiment, a job or a run."""
    _print(f"{_act(context, 'cancel', identifier)} is being cancelled.")


@app.command()
def pause(context: typer.Context, identifier: AnyId) -> None:
    """Pause an experiment, a job or a run; running ones save a checkpoint first.

    What an experiment starts while it is paused begins paused.
    """
    paused = _act(context, "pause", identifier)
    _print(f"{paused} is being paused: `cellgate resume {paused}` lets it go on.")


@app.command()
def resume(context: typer.Context, identifier: AnyId) -> None:
    """Queue what is paused of an experiment, a job or a run again, from its checkpoint."""
    _print(f"{_act(context, 'resume', identifier)} goes on.")


@app.command()
def retry(
    context: typer.Context,
    identifier: JobOrRunId,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Train all seeds of the job, or of the run's job, at this peak learning rate, from the start."
        ),
    ] = None,
) -> None:
    """Retry a failed or cancelled run, or every such run of a job.

    Its experiment goes on by itself.
    """
    with client_of(context) as client:
        found = client.find(identifier, *RETRIED)
        if rate is None:
            client.act("retry", _kind(found), found.id)
            _print(f"{found.id} is tried again, from its last checkpoint.")
            return
        job = client.retry_at(found.id if found.collection == "jobs" else client.run(found.id).job, rate)
    _print(f"Job {job.id} takes its place, with all of its seeds at a learning rate of {rate:g}.")


def _act(context: typer.Context, verb: Verb, identifier: str) -> str:
    """Do it to what a person names, and return its id."""
    with client_of(context) as client:
        found = client.find(identifier, *KINDS)
        client.act(verb, _kind(found), found.id)
    return found.id


def _kind(found: Identity) -> ResourceKind:
    """Return where a thing is that runs, or has runs."""
    return next(kind for kind in KINDS if kind == found.collection)


def _spent(client: Client, experiment: str) -> SpentAnswer | None:
    try:
        return client.spent(experiment)
    except Refused as error:
        if error.code == "not_found":
            # A server of an older release does not tell.
            return None
        raise


def _load(client: Client, found: Identity) -> ExperimentAnswer | JobAnswer | RunAnswer:
    match _kind(found):
        case "experiments":
            return client.experiment(found.id)
        case "jobs":
            return client.job(found.id)
        case "runs":
            return client.run(found.id)


def _watched(client: Client, wanted: str) -> str:
    """Return the id of what is to be watched; of several versions of a data set, the newest."""
    try:
        return client.find(wanted, "experiments", "jobs", "datasets").id
    except NotIdentified as error:
        if not error.candidates or any(not candidate.startswith("ds_") for candidate in error.candidates):
            raise
        return named_dataset(client, wanted)


def _watch(client: Client, identifier: str) -> None:
    console = terminal()
    match identifier.partition("_")[0]:
        case "exp":
            experiment = watch_experiment(client, identifier, console)
            jobs, code = experiment.jobs, _exit_of(experiment, experiment.state is ExperimentState.SUCCEEDED)
            if experiment.failure_detail:
                complain(experiment.failure_detail)
        case "job":
            job = watch_job(client, identifier, console)
            jobs, code = [job], _exit_of(job, job.state is JobState.SUCCEEDED)
        case _:
            dataset = watch_dataset(client, identifier, console)
            tables.show_dataset(console, dataset)
            jobs, code = [], CommandExit.SUCCESS if dataset.state is DatasetState.READY else CommandExit.FAILED
    tables.show_runs(console, [client.run(run.id) for job in jobs for run in job.runs])
    if code is not CommandExit.SUCCESS:
        raise typer.Exit(code)


def _exit_of(ended: ExperimentAnswer | JobAnswer, succeeded: bool) -> CommandExit:
    if ended.conclusion is None:
        # A server of an older release tells its state alone.
        return CommandExit.SUCCESS if succeeded else CommandExit.FAILED
    return EXIT_OF[ended.conclusion.outcome]


def _print(message: str) -> None:
    # Whole, for copying.
    terminal().print(message, markup=False, soft_wrap=True)
