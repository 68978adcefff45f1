"""`cellgate whoami` and `cellgate audit`: who one is to a server, and who did what there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.listing import Limit, moment, show_list
from cellgate.contract.api.audit import AuditAnswer
from cellgate.contract.files import atomic_file

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="List or export who did what; for admins.")
app.add_typer(audit_app, name="audit")
Who = Annotated[str | None, typer.Option("--principal", metavar="ID", help="Only what this principal did.")]
What = Annotated[str | None, typer.Option("--object", metavar="ID", help="Only what was done to this thing.")]
Action = Annotated[str | None, typer.Option(help="Only this operation, e.g. cancel_run.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="From this time on, e.g. 2026-01-31T00:00:00Z.")]
Before = Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")]
COLUMNS: Sequence[Column[AuditAnswer]] = (
    Column(title="when", text=lambda entry: moment(entry.at)),
    Column(title="who", text=lambda entry: escape(entry.principal), shortest=10),
    Column(title="action", text=lambda entry: escape(entry.action), shortest=10),
    Column(title="what", text=lambda entry: escape(entry.object_id or entry.kind or "")),
    Column(title="outcome", text=lambda entry: entry.outcome.value, rank=1),
    Column(title="reason", text=lambda entry: escape(entry.reason or ""), shortest=10, rank=2),
    Column(title="from", text=lambda entry: escape(entry.address or ""), rank=3),
)


@app.command()
def whoami(context: typer.Context, as_json: AsJson = False) -> None:
    """Show who one is to the server, and what the token allows."""
    with client_of(context) as client:
        found = client.whoami()
    if as_json:
        tables.print_json(found)
        return
    until = f"until {found.expires_at:%Y-%m-%d %H:%M} UTC" if found.expires_at else "without an end"
    terminal().print(f"{found.name} ({found.principal_id}), scope {found.scope}, {until}", markup=False)


@audit_app.command("ls")
def list_audit(
    context: typer.Context,
    principal: Who = None,
    about: What = None,
    action: Action = None,
    since: Since = None,
    before: Before = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List who did what, the newest last."""
    with client_of(context) as client:
        found = client.audit(**_filters(principal, about, action, since, before))
        show_list(found, COLUMNS, limit=limit, as_json=as_json)


@audit_app.command("export")
def export_audit(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write, one JSON object per line, newest first.")],
    principal: Who = None,
    about: What = None,
    action: Action = None,
    since: Since = None,
    before: Before = None,
) -> None:
    """Write the entries to a file as JSON lines, whole or not at all."""
    count = 0
    with client_of(context) as client, atomic_file(file) as lines:
        for entry in client.audit(**_filters(principal, about, action, since, before)):
            lines.write(entry.model_dump_json().encode() + b"\n")
            count += 1
    terminal().print(f"{count} entries are in {file}.", markup=False)


def _filters(
    principal: str | None, about: str | None, action: str | None, since: str | None, before: str | None
) -> Mapping[str, Any]:
    return {"principal": principal, "object": about, "action": action, "since": since, "before": before}
