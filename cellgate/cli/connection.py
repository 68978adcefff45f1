"""The server that a command talks to, and the ids that it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cellgate.cli.consoles import complain
from cellgate.client._sync.client import Client
from cellgate.client.defaults import DEFAULT_SERVER
from cellgate.client.errors import ClientError, NotIdentified, Refused, ServerAway, UnusableProxy
from cellgate.contract.exit_codes import CommandExit, UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# Wherever one is taken, the beginning of an id that fits one thing alone will do, and a name that one thing alone has.
EXPERIMENT_HELP = "Id of an experiment (exp_…), its beginning, or the experiment's name."
ExperimentArgument = Annotated[str, typer.Argument(metavar="EXPERIMENT", help=EXPERIMENT_HELP)]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run (run_…), or its beginning.")]


@contextmanager
def client_of(context: typer.Context) -> Iterator[Client]:
    """Yield a client of the server that the command line names; a client's error ends the command with its message.

    Raises:
        UsageError: The server's URL is none.
        typer.Exit: The server refused a request, no server answered, or a download arrived damaged.
    """
    server, token = context.find_root().obj
    _require_url(server)
    try:
        with Client(server, token=token) as client:
            yield client
    except ClientError as error:
        complain(f"{error}{_hint(error)}")
        raise typer.Exit(_exit_code(error)) from error


def _require_url(server: str) -> None:
    """Return if a client can speak to an address of this form; whether anybody answers there shows later."""
    try:
        parts = urlsplit(server)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            f"the server is {server!r}, expected a URL such as {DEFAULT_SERVER} (http:// or https://): "
            "correct --server or CELLGATE_SERVER"
        )


def _hint(error: ClientError) -> str:
    if isinstance(error, ServerAway) and error.proxy is not None:
        return ": correct the proxy, or name the server in NO_PROXY to reach it directly"
    if isinstance(error, ServerAway):
        return ": start it with `cellgate up`, or name another with --server or CELLGATE_SERVER"
    return ""


def _exit_code(error: ClientError) -> CommandExit:
    match error:
        case Refused():
            return CommandExit.REFUSED
        case ServerAway():
            return CommandExit.SERVER_AWAY
        case UnusableProxy() | NotIdentified():
            return CommandExit.USAGE
        case _:
            return CommandExit.FAILED
