"""`cellgate token`: tokens straight in the database, so that the first one can be made."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cellgate.contract.api.tokens import NAME, Scope
from cellgate.contract.exit_codes import UsageError
from service.commands.machine_user import user_of_machine
from service.domain.errors import ServiceError
from service.settings import load_settings

# The database's libraries are imported where they are used: `cellgate token --help` starts without them.
if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from service.store.tables import TokenRow
    from service.store.tokens import NewToken

UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
LONGEST_DAYS = 3650
WIDTH_WITHOUT_TERMINAL = 160
token_app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke tokens in the database that CELLGATE_DATABASE_URL or --data-dir names.",
)
DataDir = Annotated[Path | None, typer.Option(help="Folder of the database, the artifacts and uploads.")]
TokenName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")]
Expires = Annotated[str | None, typer.Option(help="Lifetime, e.g. 30d, 12h or 45m; default: no end.")]


@token_app.command("new")
def new_token(
    name: TokenName,
    scope: Annotated[Scope, typer.Option(help="Scope of the token; each includes those before it.")],
    expires: Expires = None,
    principal: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Whose token it is (pri_…, see `token ls`); default: somebody new."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a token and print it once: only its hash is stored.

    Without --principal it is somebody new, who owns nothing yet, whoever had a token of this name before.
    """
    from service.store.tokens import create_token

    if not re.fullmatch(NAME, name):
        raise UsageError(f"found the name {name!r}, expected up to 80 letters, digits, dots, dashes and underscores")
    expires_in_s = None if expires is None else seconds_of(expires)
    with _transaction(data_dir) as session:
        made = create_token(session, name=name, scope=scope, expires_in_s=expires_in_s, principal_id=principal)
        _record(session, "issue_token", made.row)
    _print_once(made)


@token_app.command("rotate")
def rotate(name: TokenName, expires: Expires = None, data_dir: DataDir = None) -> None:
    """Replace a token by a new one of the same owner and scope, and print that once; the old one is revoked."""
    from service.store.tokens import rotate_token

    expires_in_s = None if expires is None else seconds_of(expires)
    with _transaction(data_dir) as session:
        made = rotate_token(session, name, expires_in_s=expires_in_s)
        _record(session, "rotate_token", made.row, replaced=made.replaced)
    _print_once(made)


def _print_once(made: "NewToken") -> None:
    row = made.row
    until = f"until {_minute(row.expires_at)}" if row.expires_at else "until it is revoked"
    print(f"Token {row.name!r}: {row.scope}, good {until}. It is shown only now.", file=sys.stderr)
    print(made.secret)


def _record(session: "Session", action: str, row: "TokenRow", **more: str | None) -> None:
    """Add an entry to the audit log: no request passes the API here, so the user of this machine is named."""
    from service.domain.principals import CONSOLE
    from service.store.audit import Actor, Entry, record

    detail = {"name": row.name, "scope": row.scope, "principal": row.principal_id, "user": user_of_machine(), **more}
    record(session, Actor(principal=CONSOLE), Entry(action=action, kind="token", object_id=row.id, detail=detail))


@token_app.command("ls")
def token_ls(data_dir: DataDir = None) -> None:
    """List all tokens, newest first, expired and revoked ones included."""
    from service.store.tokens import list_tokens, live_ids

    with _transaction(data_dir) as session:
        rows, live = list_tokens(session), live_ids(session)
    table = Table(
        "name", "owner", "begins", "scope", "status", "last used", box=None, padding=(0, 2, 0, 0), header_style="dim"
    )
    for row in rows:
        table.add_row(*map(escape, _row(row, live=row.id in live)))
    _terminal().print(table)


@token_app.command("revoke")
def token_revoke(name: TokenName, data_dir: DataDir = None) -> None:
    """Revoke a token; a running server refuses it within five seconds."""
    from service.store.tokens import revoke_named

    with _transaction(data_dir) as session:
        _record(session, "withdraw_token", revoke_named(session, name))
    print(f"Token {name!r} is revoked.")


def seconds_of(duration: str) -> int:
    """Return a duration like `30d` in seconds.

    Raises:
        UsageError: The text is no duration, or longer than ten years.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,6})([mhd])", duration)
    seconds = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= LONGEST_DAYS * UNITS_S["d"]:
        raise UsageError(f"found --expires {duration}, expected a time like 30d, 12h or 45m, at most {LONGEST_DAYS}d")
    return seconds


def _terminal() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)


@contextmanager
def _transaction(data_dir: Path | None) -> Iterator["Session"]:
    from service.store.database import Database, schema_fault

    database = Database(load_settings(data_dir=data_dir).database)
    try:
        fault = schema_fault(database)
        if fault is not None:
            raise UsageError(fault)
        with database.begin() as session:
            yield session
    except ServiceError as error:
        raise UsageError(error.detail) from error
    finally:
        database.dispose()


def _row(row: "TokenRow", *, live: bool) -> tuple[str, ...]:
    """Return the cells of a token's row."""
    if live:
        status = f"until {_minute(row.expires_at)}" if row.expires_at else "good"
    else:
        status = "revoked" if row.revoked_at not in (None, row.expires_at) else "expired"
    used = _minute(row.last_used_at) if row.last_used_at else "never"
    return (row.name, row.principal_id or "", f"{row.prefix}…", row.scope, status, used)


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
