"""`cellgate completion`: what lets a shell complete commands and options."""

from enum import StrEnum
from typing import Annotated

import typer

# The library's own options for this also write into a person's files, and are on every command line.
from typer._completion_shared import get_completion_script

app = typer.Typer()
NAME = "cellgate"
VARIABLE = "_CELLGATE_COMPLETE"


class Shell(StrEnum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print what lets a shell complete commands and options.

    bash: `source <(cellgate completion bash)` in ~/.bashrc. zsh: the same in ~/.zshrc, below `compinit`. fish:
    `cellgate completion fish > ~/.config/fish/completions/cellgate.fish`.
    """
    print(get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=shell.value))
