"""The one shape of all lists: a line per thing, the newest last, no wider than the terminal, and no id ever cut."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel

from cellgate.cli import tables
from cellgate.cli.columns import Column, print_rows
from cellgate.cli.consoles import terminal

DEFAULT_LIMIT = 20
# The server counts no further.
MOST_COUNTED = 10_000
Limit = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, help=f"Things at most; default: {DEFAULT_LIMIT}, and all with --json."),
]
M = TypeVar("M", bound=BaseModel)


def show_list(
    items: Iterable[M],
    columns: Sequence[Column[M]],
    *,
    limit: int | None,
    as_json: bool,
    count: Callable[[], int | None] = lambda: None,
    newest_first: bool = True,
) -> None:
    """Print a list for people or, whole and in the order of the API, as JSON.

    Args:
        items: As the API has them; no more of them are asked for than are shown.
        columns: What is shown of each.
        limit: Things at most; None: the default.
        as_json: Whether to print JSON.
        count: Returns how many there are, if anybody knows; called where there are more than the limit.
        newest_first: Whether the API sorts by age, and the list is turned round for people.
    """
    if as_json:
        tables.print_list(items if limit is None else islice(items, limit))
        return
    most = limit or DEFAULT_LIMIT
    found = list(islice(items, most + 1))
    shown = found[:most]
    console = terminal()
    if not shown:
        console.print("There are none.", style="dim")
        return
    print_rows(console, shown[::-1] if newest_first else shown, columns)
    if len(found) > most:
        which = "The newest" if newest_first else "The first"
        console.print(f"{which} {most:,}{_of_all(count())}; --limit lists more.", style="dim")


def age(created: datetime) -> str:
    """Return how long ago something was, as `40 s`, `12 min`, `3 h` or `5 d`."""
    seconds = max(0.0, (datetime.now(UTC) - created).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: datetime) -> str:
    """Return a time to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"


def _of_all(counted: int | None) -> str:
    if counted is None:
        return ""
    return f" of {counted:,}{' or more' if counted >= MOST_COUNTED else ''}"
