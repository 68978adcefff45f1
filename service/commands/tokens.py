"""`cellgate token`: tokens straight in the database, so that the first one can be made."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellgate.cli import tables
from cellgate.cli.spec_files import BadInput
from cellgate.contract.api.tokens import NAME, Scope
from service.commands.settings import said
from service.domain.errors import ServiceError

# The database's libraries are imported where they are used: every other command starts without them.
if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from service.store.tables import TokenRow

UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
LONGEST_DAYS = 3650
token_app = typer.Typer(
    no_args_is_help=True,
    help="Tokens, straight in the database that CELLGATE_DATABASE_URL or --data-dir names: new, ls, revoke.",
)
DataDir = Annotated[Path | None, typer.Option(help="Folder of everything that is kept.")]
TokenName = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is.")]


@token_app.command("new")
def new_token(
    name: TokenName,
    scope: Annotated[Scope, typer.Option(help="What it is good for; each includes those before it.")],
    expires: Annotated[str | None, typer.Option(help="30d, 12h or 45m from now; default: when revoked.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a token and print it, once: only its hash is kept."""
    from service.store.tokens import create_token

    if not re.fullmatch(NAME, name):
        raise BadInput(f"found the name {name!r}, expected up to 80 letters, digits, dots, dashes and underscores")
    expires_in_s = None if expires is None else seconds_of(expires)
    with _transaction(data_dir) as session:
        made = create_token(session, name=name, scope=scope, expires_in_s=expires_in_s)
    until = f"until {_minute(made.row.expires_at)}" if made.row.expires_at else "until it is revoked"
    print(f"Token {name!r}: {scope}, good {until}. It is shown only now.", file=sys.stderr)
    print(made.secret)


@token_app.command("ls")
def token_ls(data_dir: DataDir = None) -> None:
    """List the tokens, newest first, also those that are no longer good."""
    from service.store.tokens import list_tokens, live_ids

    with _transaction(data_dir) as session:
        rows, live = list_tokens(session), live_ids(session)
    tables.show_tokens(tables.terminal(), [_row(row, live=row.id in live) for row in rows])


@token_app.command("revoke")
def token_revoke(name: TokenName, data_dir: DataDir = None) -> None:
    """Let a token be good no longer; a service that runs notices within five seconds."""
    from service.store.tokens import revoke_named

    with _transaction(data_dir) as session:
        revoke_named(session, name)
    tables.terminal().print(f"Token {name!r} is revoked.", markup=False)


def seconds_of(duration: str) -> int:
    """Return a duration like `30d` in seconds.

    Raises:
        BadInput: It is none, or longer than ten years.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,6})([mhd])", duration)
    seconds = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= LONGEST_DAYS * UNITS_S["d"]:
        raise BadInput(f"found --expires {duration}, expected a time like 30d, 12h or 45m, at most {LONGEST_DAYS}d")
    return seconds


@contextmanager
def _transaction(data_dir: Path | None) -> Iterator["Session"]:
    from service.store.database import Database, schema_is_current

    database = Database(said(data_dir=data_dir).database)
    try:
        if not schema_is_current(database):
            raise BadInput("the database's schema is not the newest: run `cellgate migrate`")
        with database.begin() as session:
            yield session
    except ServiceError as error:
        raise BadInput(error.detail) from error
    finally:
        database.dispose()


def _row(row: "TokenRow", *, live: bool) -> tuple[str, ...]:
    """Return what the table shows of a token."""
    if live:
        poll_state = f"until {_minute(row.expires_at)}" if row.expires_at else "good"
    else:
        poll_state = "revoked" if row.revoked_at not in (None, row.expires_at) else "expired"
    used = _minute(row.last_used_at) if row.last_used_at else "never"
    return (row.name, f"{row.prefix}…", row.scope, poll_state, used)


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
