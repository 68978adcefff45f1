"""Tables of one line per thing, no wider than the terminal; ids and numbers in them are never cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cellgate.contract.visible import visible

GAP = 2
# A column of a higher rank than 0 is left out before text of this length is shortened.
LONG = 45
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Column(Generic[T]):
    """A column of a list.

    Args:
        title: Its head.
        text: What it shows of a thing, as markup.
        is_number: Set to the right.
        shortest: Characters that have to be left of a text whose end `…` may stand for; 0: it is shown whole, as ids
            and numbers are.
        rank: Where the columns are wider than the terminal, the highest rank is left out first; 0 stays.
    """

    title: str
    text: Callable[[T], str]
    is_number: bool = False
    shortest: int = 0
    rank: int = 0


def print_rows(console: Console, items: Sequence[T], columns: Sequence[Column[T]], *, title: str | None = None) -> None:
    """Print a table with a line per thing; columns that do not fit are left out, in the order of their ranks."""
    texts = [[Text.from_markup(_one_line(column.text(item))) for item in items] for column in columns]
    natural = [
        max(len(column.title), *(text.cell_len for text in cells), 0)
        for column, cells in zip(columns, texts, strict=True)
    ]
    least = [
        max(len(column.title), min(width, column.shortest)) if column.shortest else width
        for column, width in zip(columns, natural, strict=True)
    ]
    wanted = [min(width, max(LONG, shortest)) for width, shortest in zip(natural, least, strict=True)]
    # Numbers and ids are never shortened, however long they are.
    wanted = [width if column.shortest else long for column, width, long in zip(columns, wanted, natural, strict=True)]
    kept = _fitting(columns, wanted, console.width)
    widths = _widths(kept, natural, least, console.width)
    # A terminal that is narrower than an id breaks the line; the id stays whole for copying.
    console.width = max(console.width, _taken(list(widths.values())))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    if title is not None:
        console.print(title, style="bold", markup=False)
    for place in kept:
        column = columns[place]
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=widths[place],
            header_style="dim",
        )
    for row in range(len(items)):
        table.add_row(*(texts[place][row] for place in kept))
    console.print(table)


def _one_line(text: str) -> str:
    return visible(text).replace("\n", "\\n").replace("\t", " ")


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _fitting(columns: Sequence[Column[T]], wanted: Sequence[int], width: int) -> list[int]:
    """Return the places of the columns that fit, each as wide as is wanted; those of rank 0 stay in any case."""
    kept = list(range(len(columns)))
    while _taken([wanted[place] for place in kept]) > width:
        last = max(kept, key=lambda place: columns[place].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    return kept


def _widths(kept: Sequence[int], natural: Sequence[int], least: Sequence[int], width: int) -> dict[int, int]:
    """Return the width of each column: what is left over goes to those that are shortened, the narrowest first."""
    widths = {place: least[place] for place in kept}
    for _ in range(width - _taken(list(widths.values()))):
        shortened = [place for place in kept if widths[place] < natural[place]]
        if not shortened:
            break
        widths[min(shortened, key=lambda place: widths[place])] += 1
    return widths
