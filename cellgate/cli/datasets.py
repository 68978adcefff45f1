"""`cellgate dataset`: inspect sources; prepare, list and show data sets."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import complain, terminal
from cellgate.cli.dataset_export import export
from cellgate.cli.dataset_names import named_dataset
from cellgate.cli.formatting import state
from cellgate.cli.handover import has_extra
from cellgate.cli.inspection_page import show_inspection
from cellgate.cli.listing import Limit, age, moment, show_list
from cellgate.cli.local_inspection import inspect_here
from cellgate.cli.sources import default_name, send, server_sources
from cellgate.cli.spec_files import read_spec
from cellgate.cli.watching import last, watch_dataset
from cellgate.client.errors import ServerAway
from cellgate.client.requests import path_to
from cellgate.contract.api.datasets import DatasetAnswer, InspectionAnswer
from cellgate.contract.configs import EvaluationSplits, SplitBy
from cellgate.contract.exit_codes import CommandExit
from cellgate.contract.inspection import Inspection
from cellgate.contract.source_files import READABLE
from cellgate.contract.states import DatasetState

app = typer.Typer()
# Settings of a file for `dataset add` that an inspection has no use for.
OF_DATASETS = ("name", "graphs")
dataset_app = typer.Typer(no_args_is_help=True, help="Inspect sources; prepare, list and show data sets.")
app.add_typer(dataset_app, name="dataset")

Files = Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help=f"What to read: {READABLE}.")]
Config = Annotated[Path | None, typer.Option(help="YAML or JSON file: fields, labels, splits, group_by …")]
Split = Annotated[
    SplitBy | None, typer.Option(help="What decides on splits: the source's own, chance, time or projects.")
]
Evaluation = Annotated[
    EvaluationSplits | None, typer.Option(help="For evaluation only: all functions into these splits.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse the set if a single row is left out.")]
Upload = Annotated[
    bool, typer.Option("--upload", help="Send the files; without it, they lie below a data root of the server.")
]
COLUMNS: Sequence[Column[DatasetAnswer]] = (
    Column(title="id", text=lambda one: one.id),
    Column(
        title="name",
        text=lambda one: escape(one.name) + (f"@{one.version}" if one.version > 1 else ""),
        shortest=10,
    ),
    Column(title="for", text=lambda one: one.evaluation or "training", rank=1),
    Column(title="state", text=lambda one: state(one.state)),
    Column(
        title="functions",
        text=lambda one: "" if one.summary is None else f"{one.summary['rows']:,}",
        is_number=True,
    ),
    Column(title="age", text=lambda one: age(one.created_at), is_number=True, rank=2),
    Column(title="owner", text=lambda one: escape(one.owner or ""), shortest=10, rank=4),
    Column(title="created", text=lambda one: moment(one.created_at), rank=3),
)


@dataset_app.command("add")
def add_dataset(
    context: typer.Context,
    files: Files,
    name: Annotated[str | None, typer.Option(help="Name of the data set; default: the first file's name.")] = None,
    config: Config = None,
    split: Split = None,
    evaluation: Evaluation = None,
    strict: Strict = False,
    upload: Upload = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the data set is prepared.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prepare a data set from files and folders of labelled functions.

    A data set of the same name makes this one its next version.
    """
    body = read_config(config, split=split, evaluation=evaluation, strict=strict)
    body["name"] = name or body.get("name") or default_name(files)
    console = terminal()
    with client_of(context) as client:
        body["source"] = send(client, files) if upload else server_sources(files)
        dataset = client.add_dataset(body)
        if wait:
            dataset = watch_dataset(client, dataset.id, terminal(stderr=True) if as_json else console)
    tables.print_json(dataset) if as_json else tables.show_dataset(console, dataset)
    if dataset.state is DatasetState.FAILED:
        raise typer.Exit(CommandExit.FAILED)


def read_config(
    config: Path | None, *, split: SplitBy | None, evaluation: EvaluationSplits | None, strict: bool
) -> dict[str, Any]:
    """Return the settings of `--config` and of the options that stand for some of them; options count."""
    body = read_spec(config) if config else {}
    if split is not None:
        body["split"] = split.value
    if evaluation is not None:
        body["evaluation"] = evaluation.value
    if strict:
        body["max_left_out_share"] = 0
    return body


@dataset_app.command("inspect")
def inspect_source(
    context: typer.Context,
    files: Files,
    config: Config = None,
    split: Split = None,
    evaluation: Evaluation = None,
    strict: Strict = False,
    upload: Upload = False,
    local: Annotated[bool, typer.Option("--local", help="Read here, without a server.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how files and folders would be read as a data set; exit code 1 if one could not be prepared.

    Without a server that answers, this machine reads them if the extra `worker` is installed.
    """
    body = read_config(config, split=split, evaluation=evaluation, strict=strict)
    for name in OF_DATASETS:
        body.pop(name, None)
    found = inspect_here(files, body) if local else _ask(context, files, body, upload=upload)
    tables.print_json(found) if as_json else show_inspection(terminal(), found)
    if not found.is_usable:
        raise typer.Exit(CommandExit.FAILED)


def _ask(context: typer.Context, files: list[Path], body: dict[str, Any], *, upload: bool) -> Inspection:
    """Return what the server's worker finds, or this machine where no server answers."""
    with client_of(context) as client:
        try:
            source = send(client, files) if upload else server_sources(files)
            answer = client.inspect({**body, "source": source})
        except ServerAway:
            if has_extra("worker"):
                complain("no server answers: the files are read here")
                return inspect_here(files, body)
            raise
        with terminal(stderr=True).status("reading…"):
            path = path_to("inspections", answer.run)
            answer = last(client.follow(path, InspectionAnswer, ended=lambda found: found.state.terminal))
    if answer.inspection is None:
        complain(f"run {answer.run} has {answer.state}: {answer.failure_detail or 'it was stopped'}")
        raise typer.Exit(CommandExit.FAILED)
    return answer.inspection


dataset_app.command("export")(export)


@dataset_app.command("ls")
def list_datasets(context: typer.Context, limit: Limit = None, as_json: AsJson = False) -> None:
    """List the data sets, the newest last."""
    with client_of(context) as client:
        show_list(client.datasets(), COLUMNS, limit=limit, as_json=as_json, count=partial(client.count, "datasets"))


@dataset_app.command("show")
def show_dataset(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="ID|NAME", help="Id (ds_…), name (the newest), or name@version.")],
    reading: Annotated[bool, typer.Option("--reading", help="Show how its source was read.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a data set: its splits, graphs and warnings, or with --reading how its source was read."""
    with client_of(context) as client:
        identifier = named_dataset(client, dataset)
        if reading:
            inspection = client.dataset_inspection(identifier)
            tables.print_json(inspection) if as_json else show_inspection(terminal(), inspection)
            return
        found = client.dataset(identifier)
    tables.print_json(found) if as_json else tables.show_dataset(terminal(), found)
