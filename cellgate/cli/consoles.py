"""Where commands print text for people; control and invisible characters of what others wrote are shown as escapes."""

import os
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from cellgate.contract.visible import visible

WIDTH_WITHOUT_TERMINAL = 160


class SafeConsole(Console):
    """A console that shows control and invisible characters of every text as escapes."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to lay out; also every cell of a table comes here."""
        return super().render_str(visible(text), **options)

    def on_broken_pipe(self) -> None:
        """Let the command end as any other does whose output nobody reads; the library would end it with 1.

        Raises:
            BrokenPipeError: Always.
        """
        raise BrokenPipeError


def terminal(*, stderr: bool = False) -> Console:
    """Return where tables go: as wide as the terminal or as `COLUMNS` says; wide enough for them without either."""
    # Names like :bomb: are text.
    console = SafeConsole(highlight=False, emoji=False, stderr=stderr)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def complain(message: str) -> None:
    """Print an error."""
    typer.secho(visible(message), fg="red", err=True)
