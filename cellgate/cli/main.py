"""The `cellgate` command."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer._completion_classes import completion_init

from cellgate.cli.commands import LazyGroup
from cellgate.client.defaults import DEFAULT_SERVER
from cellgate.contract.exit_codes import COMMAND_EXITS, CommandExit, UsageError
from cellgate.contract.storage import is_disk_full
from cellgate.contract.visible import visible

EXIT_CODES = "; ".join(f"{code.value} {meaning}" for code, meaning in COMMAND_EXITS.items())
# A shell sets it where it asks for completions; the script of `cellgate completion` names it.
COMPLETING = "_CELLGATE_COMPLETE"
app = typer.Typer(
    cls=LazyGroup,
    # Every command inherits it.
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train detectors of vulnerable source code, and decide which to ship.",
    epilog=f"Exit codes: {EXIT_CODES}.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cellgate {version('cellgate')}")
        raise typer.Exit


@app.callback()
def connect(
    context: typer.Context,
    server: Annotated[str, typer.Option(envvar="CELLGATE_SERVER", help="URL of the API.")] = DEFAULT_SERVER,
    token: Annotated[str | None, typer.Option(envvar="CELLGATE_TOKEN", help="Bearer token.", show_envvar=True)] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep the server's URL and the token for the command."""
    context.obj = (server, token)


def main() -> None:
    """Run the command line; the exit code is one of `cellgate.contract.exit_codes`."""
    if COMPLETING in os.environ:
        completion_init()
    try:
        app(prog_name="cellgate")
    except UsageError as error:
        typer.secho(visible(str(error)), fg="red", err=True)
        sys.exit(CommandExit.USAGE)
    except OSError as error:
        from cellgate.cli.consoles import complain

        # What a command downloads, or a report that it writes.
        if is_disk_full(error):
            complain(f"there is no room left to write to: {error}; make room, then start the command again")
            sys.exit(CommandExit.UNUSABLE)
        if error.filename is None:
            raise
        complain(f"{error.filename}: {error.strerror}; name another place, or mend this one")
        sys.exit(CommandExit.USAGE)
