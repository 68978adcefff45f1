"""`cellgate dataset`: prepare, list and show data sets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cellgate.cli import tables
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.dataset_names import named_dataset
from cellgate.cli.progress import watch_dataset
from cellgate.cli.spec_files import read_spec
from cellgate.contract.exit_codes import CommandExit, UsageError
from cellgate.contract.states import DatasetState

app = typer.Typer()
dataset_app = typer.Typer(no_args_is_help=True, help="Prepare, list and show data sets.")
app.add_typer(dataset_app, name="dataset")


@dataset_app.command("add")
def add_dataset(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .jsonl, .json or .csv file, also with .gz.")],
    name: Annotated[str | None, typer.Option(help="Name of the data set; default: the file's name.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML or JSON file: fields, splits, group_by …")] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Send the file; without it, the file lies below a data root of the server.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the data set is prepared.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prepare a data set from a file of labelled functions."""
    if upload and not file.is_file():
        raise UsageError(f"{file} is no file that could be sent")
    body: dict[str, Any] = {**(read_spec(config) if config else {}), "source": str(file.resolve())}
    body["name"] = name or body.get("name") or file.name.partition(".")[0]
    console = terminal()
    with client_of(context) as client:
        if upload:
            body["source"] = client.upload(file, file.name).source
        dataset = client.add_dataset(body)
        if wait:
            dataset = watch_dataset(client, dataset.id, terminal(stderr=True) if as_json else console)
    tables.print_json(dataset) if as_json else tables.show_dataset(console, dataset)
    if dataset.state is DatasetState.FAILED:
        raise typer.Exit(CommandExit.FAILED)


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
