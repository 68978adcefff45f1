"""`cellgate dataset`: prepare, list and show data sets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.dataset_names import named_dataset
from cellgate.cli.progress import watch_dataset
from cellgate.cli.sources import default_name, send, server_sources
from cellgate.cli.spec_files import read_spec
from cellgate.contract.configs import EvaluationSplits, SplitBy
from cellgate.contract.exit_codes import CommandExit
from cellgate.contract.source_files import READABLE
from cellgate.contract.states import DatasetState

app = typer.Typer()
dataset_app = typer.Typer(no_args_is_help=True, help="Prepare, list and show data sets.")
app.add_typer(dataset_app, name="dataset")


@dataset_app.command("add")
def add_dataset(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help=f"What to read: {READABLE}.")],
    name: Annotated[str | None, typer.Option(help="Name of the data set; default: the first file's name.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML or JSON file: fields, labels, splits, group_by …")] = None,
    split: Annotated[
        SplitBy | None, typer.Option(help="What decides on splits: the source's own, chance, time or projects.")
    ] = None,
    evaluation: Annotated[
        EvaluationSplits | None, typer.Option(help="For evaluation only: all functions into these splits.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the set if a single row is left out.")] = False,
    upload: Annotated[
        bool, typer.Option("--upload", help="Send the files; without it, they lie below a data root of the server.")
    ] = False,
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


@dataset_app.command("ls")
def list_datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List the data sets, newest first."""
    with client_of(context) as client:
        tables.print_list(client.datasets()) if as_json else tables.show_datasets(terminal(), client.datasets())


@dataset_app.command("show")
def show_dataset(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="ID|NAME", help="Id (ds_…), name (the newest), or name@version.")],
    as_json: AsJson = False,
) -> None:
    """Show a data set: its splits, graphs and warnings."""
    with client_of(context) as client:
        found = client.dataset(named_dataset(client, dataset))
    tables.print_json(found) if as_json else tables.show_dataset(terminal(), found)
