"""Base models that are trained on inside a fusion run: their outputs are computed anew for each batch."""

# Shapes: B functions in the batch, D width of a base's embedding.
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainers.engine.checkpoint import Weights
from trainers.engine.task import Rows, Task
from trainers.models.fusion.model import FusionBatch

TRANSFORMER = "transformer"
GNN = "gnn"


@dataclass(frozen=True, kw_only=True)
class UnfrozenBase:
    """One base model with its data.

    Args:
        task: As in its own cell.
        temperature: What its logits are divided by, as its run found it.
        start: The weights that it came with.
        save: Writes it into a folder as its own cell does.
    """

    task: Task
    temperature: float
    start: Weights
    save: Callable[[Path], None]

    def read(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return its embeddings (B, D) and its calibrated log-odds (B,) of one batch."""
        prediction = self.task.predict(batch)
        logits_BC = prediction.logits_BC.float()
        return prediction.embedding_BD, (logits_BC[:, 1] - logits_BC[:, 0]) / self.temperature

    def forget(self) -> None:
        """Put back the weights that it came with."""
        self.task.model.load_state_dict(self.start)


class FusionNetwork(nn.Module):
    """A head and the base models that learn with it."""

    def __init__(self, head: nn.Module, bases: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.head = head
        self.bases = nn.ModuleDict(dict(bases))

    def train(self, mode: bool = True) -> "FusionNetwork":
        """Set the head's mode; the bases learn without dropout.

        With it, their outputs in training would be noisier than in inference: the correction would
        learn from verdicts that the temperature was not made for, and step 0 would not be the ensemble.
        """
        super().train(mode)
        self.bases.eval()
        return self


@dataclass(frozen=True, kw_only=True)
class LiveBatch:
    """The outputs of the frozen models for B functions, and the inputs of the unfrozen ones, by name."""

    read: FusionBatch
    inputs: Mapping[str, Any]

    def to(self, device: torch.device | str) -> "LiveBatch":
        """Return the batch on a device."""
        return LiveBatch(
            read=self.read.to(device), inputs={name: inputs.to(device) for name, inputs in self.inputs.items()}
        )


def complete(batch: LiveBatch, bases: Mapping[str, UnfrozenBase], *, text_weight: float) -> FusionBatch:
    """Return the head's inputs, with the unfrozen models' current outputs instead of the stored ones.

    Args:
        batch: What was read, and the inputs of the models that are trained on.
        bases: The models that are trained on, by name.
        text_weight: Of the text model in the ensemble, 0 to 1.
    """
    outputs = batch.read
    if TRANSFORMER in bases:
        text_BT, text_B = bases[TRANSFORMER].read(batch.inputs[TRANSFORMER])
        outputs = replace(outputs, text_BT=text_BT, text_log_odds_B=text_B)
    if GNN in bases:
        graph_BG, graph_B = bases[GNN].read(batch.inputs[GNN])
        outputs = replace(outputs, graph_BG=graph_BG, graph_log_odds_B=graph_B)
    return replace(
        outputs,
        ensemble_log_odds_B=ensemble_log_odds_tensor(
            outputs.text_log_odds_B, outputs.graph_log_odds_B, text_weight=text_weight
        ),
    )


def ensemble_log_odds_tensor(text_B: Tensor, graph_B: Tensor, *, text_weight: float) -> Tensor:
    """Return the same as `trainers.evaluation.ensemble.ensemble_log_odds`, with gradients, (B,).

    Args:
        text_B: Calibrated log-odds of the text model.
        graph_B: Calibrated log-odds of the graph model.
        text_weight: Of the text model's probability in the mean, 0 to 1.
    """
    weight = torch.tensor([text_weight, 1 - text_weight], dtype=text_B.dtype, device=text_B.device)
    log_odds_B2 = torch.stack([text_B, graph_B], dim=1)

    def log_mixture(log_odds_B2: Tensor) -> Tensor:
        return torch.logsumexp(weight.log() + nn.functional.logsigmoid(log_odds_B2), dim=1)

    return log_mixture(log_odds_B2) - log_mixture(-log_odds_B2)


def plan_together(tasks: list[Task], rows: Rows, rng: np.random.Generator) -> list[Rows]:
    """Return an epoch's batches that keep to the budgets of every live model: each one's plan divides the last's.

    Args:
        tasks: One for each model that is trained on.
        rows: Of the data set, each once.
        rng: Decides the order of the batches.
    """
    batches = [rows]
    for task in tasks:
        batches = [part for batch in batches for part in task.plan_epoch(batch, rng)]
    return batches


def plan_evaluation_together(tasks: list[Task], rows: Rows) -> list[Rows]:
    """Return batches for evaluation that keep to the budgets of every live model."""
    batches = [rows]
    for task in tasks:
        batches = [part for batch in batches for part in task.plan_evaluation(batch)]
    return batches
