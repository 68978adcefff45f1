"""Which server a command is for."""

from typing import Annotated

import typer

from cellgate.client.calls import DEFAULT_SERVER
from cellgate.client.files import OutputClient

Server = Annotated[str, typer.Option(envvar="CELLGATE_SERVER", help="Address of the API.")]
Token = Annotated[str | None, typer.Option(envvar="CELLGATE_TOKEN", help="Bearer token.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def connect(context: typer.Context, server: Server = DEFAULT_SERVER, token: Token = None) -> None:
    """Remember which server the command is for."""
    context.obj = (server, token)


def client_of(context: typer.Context) -> OutputClient:
    """Return a client of the server that the command line names."""
    server, token = context.find_root().obj
    return OutputClient(server, token=token)


def no_id(found: str, expected: str) -> typer.BadParameter:
    """Return the refusal of something that is no id of what was expected."""
    return typer.BadParameter(f"{found!r} is no id of {expected}")
