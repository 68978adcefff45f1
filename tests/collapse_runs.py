"""Short training runs of a real small model, healthy ones and ones with a fault, for the collapse detector."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cellgate.contract.configs import Precision, TrainingConfig
from cellgate.contract.errors import CollapseError, DivergenceError
from cellgate.contract.events import EventWriter
from cellgate.contract.results import LearningRateOutcome
from cellgate.contract.specs import Device
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.loop import fit
from trainers.engine.planning import TrainingPlan
from trainers.engine.task import ParameterGroup, Prediction, Rows

FEATURES = 6
KINDS = 8
HASH = "sha256:" + "0" * 64


@dataclass(frozen=True, kw_only=True)
class InputError:
    """A separable problem with noise: a vulnerable function's features are shifted, its kind is a weak hint."""

    seed: int
    rows: int = 400
    prevalence: float = 0.4
    shift: float = 2.5
    flipped: float = 0.05

    def draw(self) -> tuple[Tensor, Tensor, np.ndarray]:
        """Return features (R, F), kinds (R,) and labels (R,)."""
        rng = np.random.default_rng(self.seed)
        truth_R = (rng.random(self.rows) < self.prevalence).astype(np.int64)
        direction_F = rng.normal(size=FEATURES)
        direction_F *= self.shift / np.linalg.norm(direction_F)
        features_RF = rng.normal(size=(self.rows, FEATURES)) + truth_R[:, None] * direction_F
        kind_R = rng.integers(0, KINDS, self.rows)
        label_R = np.where(rng.random(self.rows) < self.flipped * self.prevalence, 1 - truth_R, truth_R)
        return torch.from_numpy(features_RF.astype(np.float32)), torch.from_numpy(kind_R), label_R


class SmallModel(nn.Module):
    """Embeddings, an encoder of one hidden layer, and a classifier."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.kinds = nn.Embedding(KINDS, width)
        self.encoder = nn.Sequential(
            nn.Linear(FEATURES + width, width), nn.GELU(), nn.LayerNorm(width), nn.Dropout(dropout)
        )
        self.classifier = nn.Linear(width, 2)

    def forward(self, batch: Tensor) -> Prediction:
        """Return logits and the encoder's output; the last column of a batch is the kind."""
        kind_BW = self.kinds(batch[:, -1].long())
        hidden_BW = self.encoder(torch.cat([batch[:, :-1], kind_BW], dim=1))
        return Prediction(logits_BC=self.classifier(hidden_BW), embedding_BD=hidden_BW)


class SmallTask:
    """Implements `Task`.

    Args:
        fault: Done to the task just before batch number `fault_at` of training is loaded.
    """

    def __init__(
        self,
        problem: InputError,
        *,
        width: int = 16,
        dropout: float = 0.1,
        batch_size: int = 16,
        fault: "Fault | None" = None,
        fault_at: int = 0,
    ) -> None:
        features_RF, kind_R, self.labels = problem.draw()
        self.inputs = torch.cat([features_RF, kind_R[:, None].float()], dim=1)
        torch.manual_seed(problem.seed)
        self.model: Any = SmallModel(width, dropout)
        self.batch_size = batch_size
        self._fault = fault
        self._left = fault_at

    @property
    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(name=name, parameters=list(of)) for name, of in self.components.items()]

    @property
    def components(self) -> dict[str, list[nn.Parameter]]:
        return {name: list(module.parameters()) for name, module in self.model.named_children()}

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        shuffled = rng.permutation(rows)
        return [shuffled[first : first + self.batch_size] for first in range(0, len(rows), self.batch_size)]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        return [rows]

    def load_batch(self, rows: Rows) -> Tensor:
        if self._fault is not None and self.model.training:
            if self._left == 0:
                self._fault(self)
                self._fault = None
            self._left -= 1
        return self.inputs[rows]

    def predict(self, batch: Tensor) -> Prediction:
        prediction: Prediction = self.model(batch)
        return prediction


Fault = Callable[[SmallTask], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to.

    Args:
        found: By evaluation, from 0: types and components of the collapses.
        error: With which the run ended, or null.
    """

    found: list[set[tuple[str, str]]]
    error: type[Exception] | None

    @property
    def types(self) -> set[str]:
        """Every type of collapse seen."""
        return {kind for evaluation in self.found for kind, _ in evaluation}


def train(
    task: SmallTask, folder: Path, *, hardware: Hardware, learning_rate: float = 5e-3, epochs: int = 4
) -> Outcome:
    """Train on the first three quarters of the rows, judge on the rest."""
    rows = np.arange(len(task.labels))
    dev = len(rows) // 4
    error = None
    with EventWriter(folder / "events.jsonl") as events:
        context = RunContext(out=folder, events=events, spec_hash=HASH, started_at=0.0)
        try:
            fit(
                TrainingPlan(
                    task=task,
                    rows=rows[dev:],
                    labels=task.labels,
                    config=TrainingConfig(epochs=epochs, patience=epochs, batch_size=task.batch_size),
                ),
                dev_rows=rows[:dev],
                learning_rate=LearningRateOutcome(
                    learning_rate=learning_rate,
                    source="spec",
                    reason="test",
                    cache_key=None,
                    cache_hit=False,
                    cache_verified=None,
                ),
                seed=0,
                context=context,
                hardware=hardware,
            )
        except (CollapseError, DivergenceError) as caught:
            error = type(caught)
    return Outcome(found=_by_evaluation(folder / "events.jsonl"), error=error)


def _by_evaluation(path: Path) -> list[set[tuple[str, str]]]:
    """Collapses come before their evaluation's scores; those that end a run have no scores after them."""
    found: list[set[tuple[str, str]]] = []
    waiting: set[tuple[str, str]] = set()
    for event in map(json.loads, path.read_text().splitlines()):
        if event["kind"] == "collapse":
            waiting.add((event["type"], event["component"]))
        if event["kind"] == "metric" and "dev/loss" in event["values"]:
            found.append(waiting)
            waiting = set()
    return [*found, waiting] if waiting else found


def healthy_problem(seed: int) -> tuple[InputError, dict[str, Any]]:
    """Return one of many healthy runs: 5 to 60 % vulnerable, several sizes of data, model and batch."""
    rng = np.random.default_rng([11, seed])
    problem = InputError(
        seed=seed,
        rows=int(rng.choice([400, 800, 1200])),
        prevalence=float(rng.uniform(0.05, 0.6)),
        shift=float(rng.uniform(2.0, 4.0)),
        flipped=float(rng.uniform(0.0, 0.1)),
    )
    sizes = {
        "width": int(rng.choice([8, 16, 64])),
        "dropout": float(rng.choice([0.0, 0.1, 0.3])),
        "batch_size": int(rng.choice([8, 16, 32])),
    }
    return problem, sizes


def new_hardware() -> Hardware:
    """One CPU thread, float32."""
    return set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)
