"""A sweep of 12 trials with real trainers, from submission to confirmation: `python -m bench.sweep URL FOLDER`.

Needs a service that runs at the URL and reads the folder. Writes functions of which one line decides, prepares them,
tries 12 graph networks on one seed, confirms the winner on three others, and submits an experiment with the winner's
config and `policy.trials`, whose decision names the search among its reasons.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.trained_runs import planted_function

FUNCTIONS = 500
SWEEP: dict[str, Any] = {
    "name": "planted-graphs",
    "cell": 52,
    "dataset": "planted",
    "config": {"model": {"mix_linear": False, "layers": 2}, "training": {"epochs": 6, "batch_size": 16}},
    "search": {
        "training.learning_rate.value": {"low": 1e-3, "high": 2e-2, "log": True},
        "model.width": [16, 32],
        "model.readout": ["attention", "max"],
    },
    "trials": 12,
    "seeds": [0],
    "confirm_seeds": [1, 2, 3],
}
TEXT = {"model": {"size": "tiny"}, "training": {"epochs": 2, "learning_rate": {"value": 1e-2}}}


def main() -> None:
    """Run the sweep and the experiment; stop where one of them ends badly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    rows = [{"func": source, "target": label} for source, label in map(planted_function, range(FUNCTIONS))]
    (given.folder / "planted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cellgate(given.url, "dataset", "add", given.folder / "planted.jsonl", "--name", "planted", "--wait")
    cellgate(given.url, "sweep", _written(given.folder / "sweep.json", SWEEP), "--out", given.folder / "found.json")
    found = json.loads((given.folder / "found.json").read_bytes())
    experiment = {
        "name": "after-the-sweep",
        "dataset": "planted",
        "seeds": [0],
        "transformer": TEXT,
        "gnn": found["config"],
        "policy": {"trials": len(found["trials"]), "fusion": "never", "gate_f1": 0.0},
    }
    cellgate(given.url, "submit", _written(given.folder / "experiment.json", experiment), "--watch", ends=range(32))
    cellgate(given.url, "decision", "show", "after-the-sweep", ends=range(32))


def _written(path: Path, body: dict[str, Any]) -> Path:
    path.write_text(json.dumps(body))
    return path


def cellgate(url: str, *arguments: str | Path, ends: range = range(1)) -> None:
    """Run a command against the service.

    Args:
        url: Of the service.
        arguments: Of the command.
        ends: Exit codes to go on after; what is decided decides the code of some.

    Raises:
        SystemExit: It ended with another.
    """
    code = subprocess.run(
        [sys.executable, "-m", "cellgate", "--server", url, *map(str, arguments)], check=False
    ).returncode
    if code not in ends:
        raise SystemExit(code)


if __name__ == "__main__":
    main()
