"""Hand a command over to a process of the server's or the trainers' packages, which `cellgate` never imports."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal, NoReturn

import typer
from typer.core import TyperCommand

from cellgate.contract.exit_codes import UsageError
from cellgate.contract.processes import module_command, module_environment

Extra = Literal["server", "worker"]
# Libraries of each extra that stand for all of it.
LIBRARIES: Mapping[Extra, tuple[str, ...]] = {
    "server": ("alembic", "celery", "fastapi", "pydantic_settings", "redis", "sqlalchemy", "structlog", "uvicorn"),
    "worker": ("numpy", "pyarrow", "safetensors", "scipy", "torch", "transformers"),
}


class PassedOn(TyperCommand):
    """A command whose arguments, `--help` among them, go to another process as they are."""

    # The library keeps the types of these to itself.
    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Keep the arguments for `hand_over`."""
        ctx.args = list(args)
        return ctx.args


def hand_over(context: typer.Context, module: str, *arguments: str, needs: Extra, install: str = "") -> NoReturn:
    """Become the process that runs the command; its signals and its exit code are the command's.

    Args:
        context: The command; its arguments follow `arguments`.
        module: Package to run: `service`, `worker` or `trainers`.
        arguments: First arguments of the package.
        needs: Extra whose libraries must be installed.
        install: Extras that the error names instead, separated by commas.

    Raises:
        UsageError: A library is missing; the message names the extra.
    """
    require_extra(needs, context.command_path, install=install)
    command = module_command(module, *arguments, *context.args)
    environment = module_environment(os.environ)
    sys.stdout.flush()
    if os.name == "posix":
        os.execve(command[0], command, environment)
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


def has_extra(extra: Extra) -> bool:
    """Return whether the libraries of an extra are installed."""
    return all(find_spec(library) is not None for library in LIBRARIES[extra])


def require_extra(extra: Extra, command: str, *, install: str = "") -> None:
    """Return if the libraries of an extra are installed.

    Args:
        extra: The extra.
        command: What needs it, for the message.
        install: Extras that the message names instead, separated by commas.

    Raises:
        UsageError: A library is missing.
    """
    missing = [library for library in LIBRARIES[extra] if find_spec(library) is None]
    if missing:
        package = f"cellgate[{install or extra}]"
        raise UsageError(f"`{command}` needs {package} ({', '.join(missing)} not installed): pip install '{package}'")
