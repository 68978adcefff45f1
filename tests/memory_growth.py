"""A process that trains one cell for many steps and prints the memory that it held: `python -m tests.memory_growth`.

Arguments: the cell (transformer or gnn), the data set's folder, an output folder, steps, bytes to leak at each step.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from cellgate.contract.configs import Precision, Split
from cellgate.contract.errors import CollapseError
from cellgate.contract.events import EventWriter
from cellgate.contract.results import LearningRateOutcome
from cellgate.contract.specs import Device, GnnSpec, TransformerSpec
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.hardware import set_up_hardware
from trainers.engine.loop import fit
from trainers.engine.planning import TrainingPlan
from trainers.models.gnn.model import GraphNetwork, GraphSizes
from trainers.models.gnn.train import GraphTask
from trainers.models.transformer.train import build_task, prepare_text

BATCH_SIZE = 4
DEV_ROWS = 32
# High enough that the graph network is not stopped as collapsed before its steps are done.
RATE = LearningRateOutcome(
    learning_rate=1e-2, source="spec", reason="test", cache_key=None, cache_hit=False, cache_verified=None
)


class Watched:
    """A task that notes the process's memory whenever a batch is loaded for training.

    Args:
        leak: Bytes kept for good with each of them.
    """

    def __init__(self, task: Any, *, leak: int) -> None:
        self._task = task
        self._leak = leak
        self._kept: list[bytes] = []
        self._process = psutil.Process()
        self.held: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def load_batch(self, rows: Any) -> Any:
        if self.model.training:
            self._kept.append(b"\1" * self._leak)
            self.held.append(self._process.memory_info().rss)
        return self._task.load_batch(rows)


def _task(cell: str, dataset: Dataset, folder: Path, out: Path, training: dict[str, Any]) -> tuple[Any, Any]:
    if cell == "transformer":
        model = {"size": "tiny", "vocab_size": 512, "max_tokens": 64}
        text = TransformerSpec.model_validate({"dataset": folder, "model": model, "training": training})
        return build_task(text, dataset, prepare_text(text.model, dataset, cache=out)), text.training
    graph = GnnSpec.model_validate({"dataset": folder, "model": {"width": 8, "layers": 1}, "training": training})
    return GraphTask(GraphNetwork(graph.model, GraphSizes.of(dataset.vocab)), dataset, graph.training), (graph.training)


def main(cell: str, folder: Path, out: Path, steps: int, leak: int) -> None:
    """Train and print the bytes held at each step, as JSON."""
    dataset = Dataset.open(folder)
    hardware = set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)
    training = {"epochs": 100, "patience": 100, "batch_size": BATCH_SIZE, "max_steps": steps}
    task, config = _task(cell, dataset, folder, out, training)
    watched = Watched(task, leak=leak)
    # What it learns is not the question.
    with EventWriter(out / "events.jsonl") as events, suppress(CollapseError):
        fit(
            TrainingPlan(
                task=watched,
                rows=dataset.rows(Split.TRAIN),
                labels=dataset.labels(np.arange(len(dataset))),
                config=config,
            ),
            dev_rows=dataset.rows(Split.DEV)[:DEV_ROWS],
            learning_rate=RATE,
            seed=0,
            context=RunContext(out=out, events=events, spec_hash="sha256:" + "0" * 64, started_at=0.0),
            hardware=hardware,
        )
    print(json.dumps(watched.held))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
