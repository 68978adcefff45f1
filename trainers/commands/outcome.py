"""How a command for people ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cellgate.contract.errors import TrainerError


@contextmanager
def exit_on_trainer_error(*, with_reason: bool = False) -> Iterator[None]:
    """End the command with a failure's message on standard error and its exit code.

    Args:
        with_reason: Put the reason before the message, e.g. `data_error: …`.

    Raises:
        typer.Exit: The block failed with a TrainerError.
    """
    try:
        yield
    except TrainerError as error:
        print(f"{error.reason}: {error}" if with_reason else error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from error
