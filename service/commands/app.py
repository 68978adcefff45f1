"""The server's commands. `cellgate up`, `serve`, `migrate` and `token` hand over to them: `python -m service …`."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cellgate.contract.command_examples import add_examples
from cellgate.contract.exit_codes import CommandExit, UnusableError, UsageError
from cellgate.contract.visible import visible
from service.commands.doctor import doctor
from service.commands.tokens import token_app
from service.settings import load_settings

# Each command imports its libraries when it runs: `migrate` needs no web framework, `token` no broker.
app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run the server, prepare its database, and manage its tokens.",
)
app.add_typer(token_app, name="token")
app.command()(doctor)


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    slots: Annotated[int | None, typer.Option(help="Number of runs that train at the same time.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database, the artifacts and uploads.")] = None,
    data_root: Annotated[
        list[Path] | None, typer.Option(help="Folder that data sets may be read from; default: the current one.")
    ] = None,
    model_root: Annotated[
        list[Path] | None, typer.Option(help="Folder that checkpoints may be loaded from; default: the current one.")
    ] = None,
    worker: Annotated[bool, typer.Option(help="Run a worker on this machine.")] = True,
) -> None:
    """Run API, worker, reconciler and broker on this machine until Ctrl-C."""
    from service.local_stack import StackFailed, run_local_stack
    from service.telemetry.logs import set_up_logging

    if worker and find_spec("torch") is None:
        raise UsageError("a worker needs cellgate[worker]: pip install 'cellgate[worker]', or use --no-worker")
    here = [Path.cwd()]
    settings = load_settings(
        host=host,
        port=port,
        slots=slots,
        data_dir=data_dir,
        data_roots=data_root or here,
        model_roots=model_root or here,
    )
    set_up_logging(settings.log_format)
    try:
        run_local_stack(settings, with_worker=worker, announce=_announce)
    except StackFailed as error:
        _print_error(error)
        raise typer.Exit(CommandExit.FAILED) from error


def _announce(url: str) -> None:
    print(f"Cellgate is at {url}  (Ctrl-C stops it)", flush=True)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Run the API alone. Workers and the reconciler are processes of their own: `cellgate run-worker`."""
    from service.run import CannotServe, run_api

    try:
        run_api(load_settings(host=host, port=port))
    except CannotServe as error:
        raise UsageError(str(error)) from error


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from service.store.database import UnsuitableDatabase
    from service.store.database import migrate as migrate_database

    try:
        migrate_database(load_settings().database)
    except UnsuitableDatabase as error:
        raise UsageError(str(error)) from error


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; only its owner can read it.")],
    without_checkpoints: Annotated[
        bool, typer.Option("--without-checkpoints", help="Leave checkpoints out: unfinished runs then start over.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database, the artifacts and uploads.")] = None,
) -> None:
    """Write database and artifacts to one file, while the server runs."""
    from service.commands.backup import back_up

    back_up(load_settings(data_dir=data_dir), file, checkpoints=not without_checkpoints)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `cellgate backup` wrote.")],
    data_dir: Annotated[Path | None, typer.Option(help="Empty folder for database, artifacts and uploads.")] = None,
) -> None:
    """Restore a backup into an empty place, and verify it."""
    from service.commands.backup import restore_into

    restore_into(load_settings(data_dir=data_dir), file)


add_examples(app)


def main() -> None:
    """Run a command of the server; the exit code is one of `cellgate.contract.exit_codes`."""
    try:
        app(prog_name="cellgate")
    except UsageError as error:
        _print_error(error)
        sys.exit(CommandExit.USAGE)
    except Exception as error:
        remedy = remedy_for(error)
        if remedy is None:
            raise
        typer.secho(remedy, fg="red", err=True)
        sys.exit(CommandExit.UNUSABLE)


def remedy_for(error: Exception) -> str | None:
    """Return what to do about a database or a folder that cannot be used; None for any other error."""
    if isinstance(error, UnusableError):
        return str(error)
    # No error can be of a library that was not imported, and importing it takes time.
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DBAPIError

    from service.store.database_faults import advice_for

    return advice_for(error) if isinstance(error, DBAPIError) else None


def _print_error(error: Exception) -> None:
    typer.secho(visible(str(error)), fg="red", err=True)
