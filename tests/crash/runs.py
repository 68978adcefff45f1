"""Kills a training run again and again: `python -m tests.crash.runs CELL SPEC FOLDER SEED KILLS`.

A process of its own that has imported everything and computed nothing: each attempt is a fork of it, which trains at
once, dies at a random moment, and is gone on from. At the end the run is compared with one that nothing disturbed.
Prints what it found as JSON.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

# Imported, so that a fork need not: an attempt shall die in its training, not while it loads libraries.
import torch._dynamo  # noqa: F401

from cellgate.contract.artifacts import CHECKPOINT_FOLDER
from cellgate.contract.cells import Cell
from trainers.engine.run_folder import current_checkpoint
from trainers.run_cell import run_cell

# Share of the attempts that are killed at any moment, perhaps before they train; the others have saved a checkpoint.
KILLED_EARLY = 0.25
POLL_S = 0.01
Digests = dict[str, str]


def _fork(cell: Cell, spec: Path, out: Path, *, resume: Path | None) -> int:
    """Start an attempt; return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        os._exit(run_cell(cell, spec_path=spec, out=out, resume=resume))
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    os._exit(99)


def _finish(cell: Cell, spec: Path, out: Path, *, resume: Path | None) -> None:
    _, status = os.waitpid(_fork(cell, spec, out, resume=resume), 0)
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise SystemExit(f"an attempt that nobody killed ended with exit code {code}")


def _what_counts(out: Path) -> Digests:
    """Return the hashes of the weights and predictions, and the metrics."""
    files = sorted([*out.glob("model/**/*.safetensors"), *out.glob("predictions/*.arrow")])
    found = {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    result = json.loads((out / "result.json").read_bytes())
    kept = ("metrics", "best_epoch", "epochs", "steps", "threshold", "temperature", "learning_rate")
    return {**found, **{name: json.dumps(result[name], sort_keys=True) for name in kept}}


def _checkpoint_in(out: Path) -> Path | None:
    """Return the folder to resume from; None where the attempt was killed before its first checkpoint."""
    checkpoint = out / CHECKPOINT_FOLDER
    return None if current_checkpoint(checkpoint) is None else checkpoint


def _steps(out: Path) -> int:
    """Return how many optimizer steps the current checkpoint holds."""
    current = current_checkpoint(out / CHECKPOINT_FOLDER)
    return 0 if current is None else int(json.loads((current / "state.json").read_bytes())["step"])


def _wait_for_progress(child: int, out: Path) -> None:
    """Return once an attempt has saved a checkpoint of more steps than it began with, or has ended."""
    begun_at = _steps(out)
    while _steps(out) <= begun_at and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(POLL_S)


def kill_runs(cell: Cell, spec: Path, folder: Path, *, seed: int, kills: int) -> dict[str, object]:
    """Kill attempts at random moments of the training; return from where each went on, and what differs at the end."""
    rng = random.Random(seed)
    whole, killed = folder / "whole", folder / "killed"
    begun = time.monotonic()
    _finish(cell, spec, whole, resume=None)
    lasted_s = time.monotonic() - begun
    resumed_at = []
    for _ in range(kills):
        child = _fork(cell, spec, killed, resume=_checkpoint_in(killed))
        if rng.random() < KILLED_EARLY:
            time.sleep(rng.uniform(0.05, 0.35) * lasted_s)
        else:
            _wait_for_progress(child, killed)
            time.sleep(rng.uniform(0, 0.1) * lasted_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        resumed_at.append(_steps(killed))
    _finish(cell, spec, killed, resume=_checkpoint_in(killed))
    expected, found = _what_counts(whole), _what_counts(killed)
    different = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
    return {"steps": _steps(whole), "resumed_at": resumed_at, "compared": len(expected), "different": sorted(different)}


if __name__ == "__main__":
    name, spec_path, place, number, times = sys.argv[1:]
    found = kill_runs(Cell(name), Path(spec_path), Path(place), seed=int(number), kills=int(times))
    print(json.dumps(found))
