"""Commands that keep house: set, rm, prune, du, uploads."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import typer
from rich.markup import escape

from cellgate.cli import tables
from cellgate.cli.columns import Column
from cellgate.cli.connection import AsJson, client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.listing import Limit, age, show_list
from cellgate.cli.spec_settings import labels_of
from cellgate.client.identities import COLLECTIONS
from cellgate.client.requests import Collection
from cellgate.contract.api.datasets import UploadAnswer
from cellgate.contract.api.operations import StoragePart
from cellgate.contract.api.resources import DeletionAnswer, ResourceKind
from cellgate.contract.exit_codes import UsageError

app = typer.Typer()
ANY_KIND: Sequence[Collection] = tuple(COLLECTIONS.values())
Identifiers = Annotated[
    list[str],
    typer.Argument(
        metavar="ID…",
        help=f"Ids ({', '.join(f'{prefix}_…' for prefix in COLLECTIONS)}), their beginnings, or names.",
    ),
]
UNITS = ("bytes", "kB", "MB", "GB", "TB")
UPLOADS: Sequence[Column[UploadAnswer]] = (
    Column(title="id", text=lambda one: one.id),
    Column(title="name", text=lambda one: escape(one.name), shortest=10),
    Column(title="size", text=lambda one: _size(one.size_bytes), is_number=True),
    Column(title="age", text=lambda one: age(one.created_at), is_number=True),
    Column(title="path", text=lambda one: escape(one.source), rank=1),
)


@app.command("set")
def set_metadata(
    context: typer.Context,
    identifiers: Identifiers,
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    note: Annotated[str | None, typer.Option(help="New note; an empty one removes it.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE sets a label, KEY= removes it; may be given several times.")
    ] = None,
    archived: Annotated[
        bool | None, typer.Option("--archived/--not-archived", help="Whether lists leave it out.")
    ] = None,
) -> None:
    """Set the name, note, labels, or archived state of anything that has an id."""
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name or None
    if note is not None:
        changes["note"] = note or None
    if label:
        changes["labels"] = {key: value or None for key, value in labels_of(label, removable=True).items()}
    if archived is not None:
        changes["archived"] = archived
    if not changes:
        raise UsageError("nothing to set: give --name, --note, --label or --archived")
    with client_of(context) as client:
        # All of them before the first is changed: nothing is done where one is mistaken.
        for found in [client.find(identifier, *ANY_KIND) for identifier in identifiers]:
            client.change(found.collection, found.id, changes)
            terminal().print(f"{found.id} is changed.", markup=False)


@app.command("rm")
def remove(
    context: typer.Context,
    identifiers: Identifiers,
    cascade: Annotated[bool, typer.Option("--cascade", help="Delete what depends on them as well.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete anything that has an id, with all that belongs to it."""
    verb = "would be" if dry_run else "is"
    found: list[DeletionAnswer] = []
    # Whatever is refused later on: what is gone is told.
    try:
        with client_of(context) as client:
            for wanted in [client.find(identifier, *ANY_KIND) for identifier in identifiers]:
                answer = client.delete(wanted.collection, wanted.id, cascade=cascade, dry_run=dry_run)
                found.append(answer)
                if not as_json:
                    size = "" if answer.size_bytes is None else f", {_size(answer.size_bytes)}"
                    terminal().print(f"{wanted.id} {verb} deleted: {_counted(answer.counts)}{size}.", markup=False)
    finally:
        if as_json and found:
            tables.print_list(found)


@app.command()
def prune(
    context: typer.Context,
    older_than: Annotated[str, typer.Option(help="Age, such as 90d or 12h.")],
    keep_decisions: Annotated[
        bool, typer.Option("--keep-decisions/--no-keep-decisions", help="Keep experiments that have a decision.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")] = False,
) -> None:
    """Delete what is old and what nothing depends on; bundles stay, and what they were packed of."""
    days = _days(older_than)
    counts: Counter[ResourceKind] = Counter()
    checkpoints, size_bytes, more = 0, 0, True
    # Whatever fails later on: what is gone is told.
    try:
        with client_of(context) as client:
            while more:
                answer = client.prune(older_than_days=days, keep_decisions=keep_decisions, dry_run=dry_run)
                counts.update(answer.counts)
                checkpoints += answer.checkpoints
                size_bytes += answer.size_bytes or 0
                for thing in answer.things if dry_run else ():
                    terminal().print(f"{thing.id}  {escape(thing.name or '')}")
                more = answer.more and not dry_run
    finally:
        if counts or checkpoints or not more:
            verb = f"would be deleted in the first part, {_size(size_bytes)}" if dry_run else "deleted"
            terminal().print(f"{_counted(counts)}; {checkpoints} checkpoints: {verb}.", markup=False)


@app.command()
def du(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is stored, by kind and owner, as it was measured last."""
    with client_of(context) as client:
        found = client.usage(limit=1).storage
    if found is None or found.measured_at is None:
        terminal().print("Nothing is measured yet: the reconciler measures soon after it starts, then hourly.")
        return
    if as_json:
        tables.print_json(found)
        return
    table = tables.table("kind", "owner", "owner id", "files", "size", numbers=("files", "size"))
    for part in found.parts:
        table.add_row(*_cells(part))
    terminal().print(table)
    terminal().print(f"{_size(found.size_bytes)} in all, measured {found.measured_at:%Y-%m-%d %H:%M %Z}.")


@app.command()
def uploads(
    context: typer.Context,
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones too.")] = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the uploaded files, the newest last."""
    filters = {"archived": "all" if archived else None}
    with client_of(context) as client:
        show_list(
            client.uploads(**filters),
            UPLOADS,
            limit=limit,
            as_json=as_json,
            count=partial(client.count, "uploads", **filters),
        )


def _days(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([dh])", text)
    if found is None:
        raise UsageError(f"found --older-than {text}, expected an age such as 90d or 12h")
    return int(found[1]) / (24 if found[2] == "h" else 1)


def _counted(counts: Mapping[ResourceKind, int]) -> str:
    words = [f"{count} {kind.value}{'s' if count > 1 else ''}" for kind, count in counts.items()]
    return ", ".join(words) or "nothing"


def _cells(part: StoragePart) -> tuple[str, ...]:
    return (part.kind.value, escape(part.owner or ""), part.owner_id or "", f"{part.files:,}", _size(part.size_bytes))


def _size(size_bytes: float) -> str:
    *smaller, largest = UNITS
    for unit in smaller:
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == UNITS[0] else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} {largest}"
