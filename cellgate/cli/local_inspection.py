"""An inspection without a server: the trainers' own command, on this machine."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from cellgate.cli.consoles import complain
from cellgate.cli.handover import require_extra
from cellgate.contract.inspection import INSPECTION_NAME, Inspection
from cellgate.contract.processes import module_command, module_environment


def inspect_here(files: Sequence[Path], config: Mapping[str, Any]) -> Inspection:
    """Return how files and folders would be read.

    Args:
        files: On this machine.
        config: Settings as in a request.

    Raises:
        UsageError: The extra `worker` is not installed.
        typer.Exit: The trainers refused; their message is on standard error.
    """
    require_extra("worker", "cellgate dataset inspect --local")
    spec = {**config, "cell": "inspect", "source": [str(file.resolve()) for file in files]}
    with tempfile.TemporaryDirectory(prefix="cellgate-inspect-") as folder:
        path, out = Path(folder, "spec.json"), Path(folder, "out")
        path.write_text(json.dumps(spec), encoding="utf-8")
        command = module_command("trainers", "inspect", "--spec", str(path), "--out", str(out))
        ended = subprocess.run(
            command, env=module_environment(os.environ), check=False, capture_output=True, text=True, errors="replace"
        )
        if ended.returncode:
            complain(ended.stderr.strip() or f"the trainers ended with {ended.returncode}")
            raise typer.Exit(ended.returncode)
        return Inspection.model_validate_json((out / INSPECTION_NAME).read_bytes())
