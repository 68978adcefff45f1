"""The server that a command talks to, and the ids that it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cellgate.client._sync.client import Client
from cellgate.client.errors import ClientError, Refused, ServerAway
from cellgate.contract.exit_codes import CommandExit

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ExperimentArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of an experiment (exp_…).")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run (run_…).")]


@contextmanager
def client_of(context: typer.Context) -> Iterator[Client]:
    """Yield a client of the server that the command line names; a client's error ends the command with its message.

    Raises:
        typer.Exit: The server refused a request, no server answered, or a download arrived damaged.
    """
    server, token = context.find_root().obj
    try:
        with Client(server, token=token) as client:
            yield client
    except ClientError as error:
        complain(str(error))
        raise typer.Exit(_exit_code(error)) from error


def _exit_code(error: ClientError) -> CommandExit:
    match error:
        case Refused():
            return CommandExit.REFUSED
        case ServerAway():
            return CommandExit.SERVER_AWAY
        case _:
            return CommandExit.FAILED


def complain(message: str) -> None:
    """Print an error."""
    typer.secho(message, fg="red", err=True)


def no_id(found: str, expected: str) -> typer.BadParameter:
    """Return the error for an argument that is no id of the expected kind."""
    return typer.BadParameter(f"{found!r} is no id of {expected}")
