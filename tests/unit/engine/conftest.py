"""A task small enough to train in milliseconds, and what it needs around it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cellgate.contract.configs import Precision
from cellgate.contract.events import EventWriter
from cellgate.contract.results import LearningRateOutcome
from cellgate.contract.specs import Device
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.task import ParameterGroup, Prediction, Rows

ROWS = 160
HASH = "sha256:" + "0" * 64


class ToyTask:
    """A two-layer network on four numbers; the label is the sign of the first.

    `refuse_above` makes every batch that is larger run out of memory.
    """

    def __init__(self, *, seed: int = 0, batch_size: int = 8, dropout: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(7)
        self.inputs = torch.randn(ROWS, 4, generator=generator)
        self.labels = (self.inputs[:, 0] > 0).long().numpy()
        torch.manual_seed(seed)
        self.model: nn.Module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 2))
        self.batch_size = batch_size
        self.refuse_above: int | None = None
        self.seen: list[int] = []

    @property
    def groups(self) -> list[ParameterGroup]:
        body, head = self.model[0], self.model[3]  # type: ignore[index]
        return [
            ParameterGroup(name="body", parameters=list(body.parameters()), lr_ratio=0.5),
            ParameterGroup(name="head", parameters=list(head.parameters())),
        ]

    @property
    def components(self) -> dict[str, list[nn.Parameter]]:
        return {group.name: list(group.parameters) for group in self.groups}

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        shuffled = rng.permutation(rows)
        return [shuffled[first : first + self.batch_size] for first in range(0, len(rows), self.batch_size)]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        # Not in the order of the rows: the engine must put them back.
        return list(np.array_split(rows[::-1].copy(), 3))

    def load_batch(self, rows: Rows) -> Any:
        if self.refuse_above is not None and len(rows) > self.refuse_above:
            raise MemoryError
        self.seen.append(len(rows))
        return self.inputs[rows]

    def predict(self, batch: Any) -> Prediction:
        return Prediction(logits_BC=self.model(batch), embedding_BD=batch)


@pytest.fixture
def toy() -> type[ToyTask]:
    return ToyTask


@pytest.fixture
def hardware() -> Hardware:
    return set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)


@pytest.fixture
def new_context(tmp_path: Path) -> Iterator[Callable[..., RunContext]]:
    """A run into a folder of its own, perhaps going on from a checkpoint."""
    opened: list[EventWriter] = []

    def make(name: str = "out", *, resume: Path | None = None, last: int = 0) -> RunContext:
        out = tmp_path / name
        opened.append(EventWriter(out / "events.jsonl", last=last))
        return RunContext(
            out=out,
            events=opened[-1],
            spec_hash=HASH,
            started_at=0.0,
            resume=resume,
        )

    yield make
    for events in opened:
        events.close()


@pytest.fixture
def rate() -> LearningRateOutcome:
    return LearningRateOutcome(
        learning_rate=0.01, source="spec", reason="test", cache_key=None, cache_hit=False, cache_verified=None
    )
