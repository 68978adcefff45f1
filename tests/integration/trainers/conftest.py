"""The trainers from outside: a process, its folder and its exit code."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.processes import module_command, module_environment
from tests.made_once import made_once, shared_folder
from tests.warm_trainers import WarmProcess, WarmTrainers

FUNCTIONS = 1_000
WAIT_S = 240
POLL_S = 0.01


class Trainer:
    """Runs `python -m trainers` and reads what it leaves.

    Args:
        folder: Of specs and outputs.
        warm: Starts the cells, except where a test asks for a cold start.
    """

    def __init__(self, folder: Path, warm: WarmTrainers) -> None:
        self.folder = folder
        self._warm = warm

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a process of its own, cold."""
        return subprocess.Popen(
            module_command("trainers", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=module_environment({**os.environ, "OMP_NUM_THREADS": "1"}),
        )

    def start_cell(
        self, cell: str, spec: dict[str, Any], out: str, *more: str, cold: bool = False, stdin: int | None = None
    ) -> subprocess.Popen[str] | WarmProcess:
        """Start a cell on a spec, into a folder by name; only a warm one reads from a file descriptor."""
        path = self.folder / f"{out}.json"
        path.write_text(json.dumps(spec))
        arguments = [cell, "--spec", str(path), "--out", str(self.out(out)), *more]
        return self.start(*arguments) if cold else self._warm.start(*arguments, stdin=stdin)

    def run(self, cell: str, spec: dict[str, Any], out: str, *more: str, cold: bool = False) -> tuple[int, str]:
        """Run a cell; return its exit code and its standard error, of a warm one its standard output too."""
        process = self.start_cell(cell, spec, out, *more, cold=cold)
        _, stderr = process.communicate(timeout=WAIT_S)
        return process.returncode, stderr

    def out(self, name: str) -> Path:
        """The output folder of a name."""
        return self.folder / name

    def result(self, name: str) -> dict[str, Any]:
        """The result in a folder."""
        content: dict[str, Any] = json.loads((self.out(name) / "result.json").read_bytes())
        return content

    def events(self, name: str) -> list[dict[str, Any]]:
        """The whole events of a folder so far."""
        path = self.out(name) / "events.jsonl"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(
        self, process: subprocess.Popen[str] | WarmProcess, name: str, is_it: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Wait until a run has written an event."""
        deadline = time.monotonic() + WAIT_S
        while not any(map(is_it, self.events(name))):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(POLL_S)


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory, warm: WarmTrainers) -> Trainer:
    """Starts trainers; what they leave under one name is there for every process of the session."""
    folder = shared_folder(tmp_path_factory) / "trainers"
    folder.mkdir(exist_ok=True)
    return Trainer(folder, warm)


@pytest.fixture(scope="session")
def dataset(trainer: Trainer) -> Path:
    """A prepared set of generated functions."""

    def make(_folder: Path) -> None:
        source = trainer.folder / "functions.jsonl"
        process = trainer.start("generate", "--functions", str(FUNCTIONS), "--seed", "3", "--out", str(source))
        assert process.communicate(timeout=WAIT_S)[1] == ""
        assert trainer.run("prepare", {"source": str(source)}, "prepare") == (0, "")

    return made_once(trainer.out("prepare"), make) / "dataset"


@pytest.fixture(scope="session")
def tiny(dataset: Path, trainer: Trainer) -> dict[str, Any]:
    """A spec of the smallest text model that trains for some seconds."""
    return {
        "dataset": str(dataset),
        "device": "cpu",
        "lr_cache": str(trainer.folder / "cache"),
        "model": {"size": "tiny", "vocab_size": 512, "max_tokens": 256, "mix_linear": False},
        "training": {
            "epochs": 3,
            "batch_size": 8,
            "patience": 3,
            "checkpoint_every_steps": 5,
            "learning_rate": {"finder_steps": 40, "finder_min": 1e-4, "finder_max": 1.0},
        },
    }


@pytest.fixture(scope="session")
def whole(trainer: Trainer, tiny: dict[str, Any]) -> str:
    """A run that nothing disturbed, of a process of its own; what starts warm is held against it."""

    def make(_folder: Path) -> None:
        assert trainer.run("transformer", tiny, "whole", cold=True) == (0, "")

    return made_once(trainer.out("whole"), make).name
