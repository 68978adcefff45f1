"""The interface between a cell and the engine: cells implement it, the loop calls it."""

# Shapes: B functions in the batch, C classes (2), D width of the pooled embedding.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One batch's output.

    Args:
        logits_BC: Unnormalised class scores, float.
        embedding_BD: Pooled representation before the classifier, float.
    """

    logits_BC: Tensor
    embedding_BD: Tensor


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Parameters that share a learning rate.

    Args:
        name: As it appears in events: `lr/<name>`, `grad_norm/<name>`.
        parameters: Trainable parameters, each in exactly one group.
        lr_ratio: This group's share of the peak learning rate, above 0, at most 1.
        weight_decay: Whether the spec's weight decay applies.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    lr_ratio: float = 1.0
    weight_decay: bool = True


class Task(Protocol):
    """One cell's model and data, as the engine sees them."""

    @property
    def model(self) -> nn.Module:
        """The module to train; `train()`, `eval()` and `state_dict()` are called on it."""
        ...

    @property
    def groups(self) -> Sequence[ParameterGroup]:
        """All trainable parameters."""
        ...

    @property
    def components(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Parameters whose gradient and weight norms are watched together, by component name."""
        ...

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        """Return the epoch's batches: every row exactly once, a function of `rows` and `rng` alone."""
        ...

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        """Return batches for evaluation in a fixed order: every row exactly once."""
        ...

    def load_batch(self, rows: Rows) -> Any:
        """Return the inputs of these rows, on the CPU; the engine moves them with `.to(device)`."""
        ...

    def predict(self, batch: Any) -> Prediction:
        """Run the model on one batch that is already on the device; row order is that of `load_batch`."""
        ...
