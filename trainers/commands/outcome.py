"""How a command for people ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from cellgate.contract.errors import StorageFullError, TrainerError
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.storage import is_disk_full
from cellgate.contract.visible import visible


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
        print(visible(f"{error.reason}: {error}" if with_reason else str(error)), file=sys.stderr)
        raise typer.Exit(error.exit_code) from error


@contextmanager
def exit_when_not_writable(out: Path | None, code: ExitCode = ExitCode.INTERNAL_ERROR) -> Iterator[None]:
    """End the command with a message and an exit code when a file cannot be written.

    Args:
        out: What was to be written; None is standard output.
        code: The exit code.

    Raises:
        typer.Exit: The block failed with an OSError, or with any error because the disk is full.
    """
    try:
        yield
    except Exception as error:
        # The libraries that write models have errors of their own for that.
        if is_disk_full(error):
            full = StorageFullError.of(out or Path.cwd(), error)
            print(visible(str(full)), file=sys.stderr)
            raise typer.Exit(full.exit_code) from error
        if not isinstance(error, OSError):
            raise
        print(visible(f"{out}: cannot be written: {error}"), file=sys.stderr)
        raise typer.Exit(code) from error
