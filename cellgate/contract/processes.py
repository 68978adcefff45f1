"""Start processes of the packages `service`, `worker` and `trainers`, and no others of the same names.

The wheel ships them below `cellgate/_server`, so that nothing but `cellgate` becomes importable in the environment of
whoever installs it. In a checkout they lie beside `cellgate`. Every process that runs them has that folder first on
its path and starts with `-P`, which keeps the current folder off it: a `worker/` or `logging.py` there is never taken.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_FACE = Path(__file__).resolve().parents[1]
_SHIPPED = _FACE / "_server"


def server_folder() -> Path:
    """Return the folder that holds `service`, `worker`, `trainers` and `migrations`."""
    return _SHIPPED if _SHIPPED.is_dir() else _FACE.parent


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of the server packages; it needs the environment of `module_environment`.

    Args:
        module: For instance `worker` or `service.die_with_parent`.
        arguments: Of the module.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the server packages first on Python's path; children inherit it."""
    folder = str(server_folder())
    # An empty entry would be the current folder.
    others = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry not in ("", folder)]
    return {**environment, "PYTHONPATH": os.pathsep.join([folder, *others])}
