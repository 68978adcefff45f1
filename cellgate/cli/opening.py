"""`cellgate open`: the dashboard's page of a thing."""

import os
import sys
import webbrowser
from typing import Annotated

import typer

from cellgate.cli.connection import client_of
from cellgate.cli.consoles import terminal
from cellgate.cli.pages import WITH_PAGE, page_of

app = typer.Typer()


@app.command("open")
def open_page(
    context: typer.Context,
    identifier: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="Id of an experiment, a run or a data set, its beginning, or a name; default: the first page.",
            show_default=False,
        ),
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the address alone.")] = False,
) -> None:
    """Print the address of a page of the dashboard, and open it in a browser where there is one."""
    with client_of(context) as client:
        shown = None if identifier is None else client.find(identifier, *WITH_PAGE)
        page = page_of(client.server, shown)
    # Whole, for copying.
    terminal().print(page, markup=False, soft_wrap=True)
    if not only_print and _has_windows():
        webbrowser.open(page)


def _has_windows() -> bool:
    """Return whether a browser can open a window: one in the terminal would take that away."""
    windows = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in windows)
