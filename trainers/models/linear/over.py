"""A network over a linear model: its logits are the network's, moved by the linear model's log-odds."""

# Shapes: B functions in the batch, C classes (2), F functions of the data set.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.engine.task import ParameterGroup, Prediction, Rows, Task
from trainers.models.linear.base import LinearBase


@dataclass(frozen=True, kw_only=True)
class BatchOverLinear:
    """The network's inputs, and the linear model's log-odds, float32, (B,)."""

    inputs: Any
    log_odds_B: Tensor

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        return type(self)(inputs=self.inputs.to(device), log_odds_B=self.log_odds_B.to(device, non_blocking=True))


class TaskOverLinear:
    """Implements `Task`: another task whose network learns what the linear model leaves unexplained.

    Args:
        task: With the network.
        log_odds_F: The linear model's, of every function of the data set, float32.
    """

    def __init__(self, task: Task, log_odds_F: NDArray[np.float32]) -> None:
        self._task = task
        self._log_odds_F = log_odds_F

    @property
    def model(self) -> nn.Module:
        """The network."""
        return self._task.model

    @property
    def groups(self) -> Sequence[ParameterGroup]:
        """The network's parameters: the linear model's are fixed."""
        return self._task.groups

    @property
    def components(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The network's."""
        return self._task.components

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        """Return the network's plan."""
        return self._task.plan_epoch(rows, rng)

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        """Return the network's plan."""
        return self._task.plan_evaluation(rows)

    def load_batch(self, rows: Rows) -> BatchOverLinear:
        """Return the network's inputs, with the linear model's log-odds."""
        log_odds_B = torch.from_numpy(self._log_odds_F[rows])
        return BatchOverLinear(inputs=self._task.load_batch(rows), log_odds_B=log_odds_B)

    def predict(self, batch: BatchOverLinear) -> Prediction:
        """Return the sum of both models' logits, and the network's embedding."""
        prediction = self._task.predict(batch.inputs)
        half_B = batch.log_odds_B.to(prediction.logits_BC.dtype) / 2
        logits_BC = prediction.logits_BC + torch.stack([-half_B, half_B], dim=1)
        return Prediction(logits_BC=logits_BC, embedding_BD=prediction.embedding_BD)


def over(base: LinearBase | None, task: Task) -> Task:
    """Return a task over the linear model that its network was trained over, if any."""
    return task if base is None else TaskOverLinear(task, base.log_odds_F)
