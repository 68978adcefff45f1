"""A network mixed with a linear model: the sum of their log-odds, by weights that are fixed after training.

Source:
    Stacking: Wolpert 1992, doi 10.1016/S0893-6080(05)80023-1; weights that are not negative: Breiman 1996,
    doi 10.1007/BF00117832.
"""

# Shapes: B functions in the batch, C classes (2), F functions of the data set, R rows of dev, M models.
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from trainers.engine.calibration import smoothed_labels
from trainers.engine.metrics import Floats, Integers, auroc
from trainers.engine.task import ParameterGroup, Prediction, Rows, Task


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Weights of both models' log-odds, and what is added."""

    network: float
    linear: float
    bias: float

    @property
    def is_sound(self) -> bool:
        """Whether both models count for what they say, and all is finite."""
        return min(self.network, self.linear) >= 0 and all(map(math.isfinite, (self.network, self.linear, self.bias)))

    def of(self, network_R: Floats, linear_R: Floats) -> Floats:
        """Return the mixed log-odds, (R,)."""
        return self.network * network_R + self.linear * linear_R + self.bias


NETWORK_ALONE = Mix(network=1.0, linear=0.0, bias=0.0)


def best_mix(labels_R: Integers, network_R: Floats, linear_R: Floats) -> Mix:
    """Return the weights that rank dev best: the network alone, both, or the linear model alone; of equals the first.

    Args:
        labels_R: Of dev, 0 or 1.
        network_R: The trained network's log-odds.
        linear_R: The linear model's.
    """
    if len(np.unique(labels_R)) < 2:
        return NETWORK_ALONE
    (network, linear), bias = _regression(labels_R, np.stack([network_R, linear_R], axis=1))
    (alone,), bias_alone = _regression(labels_R, linear_R[:, None])
    mixes = [
        NETWORK_ALONE,
        Mix(network=network, linear=linear, bias=bias),
        Mix(network=0.0, linear=alone, bias=bias_alone),
    ]
    return max(
        (mix for mix in mixes if mix.is_sound), key=lambda mix: auroc(labels_R, mix.of(network_R, linear_R)) or 0.0
    )


def _regression(labels_R: Integers, log_odds_RM: Floats) -> tuple[list[float], float]:
    """Return weights and bias of a logistic regression; finite where the log-odds tell all labels apart too."""
    target_R = smoothed_labels(labels_R)
    regression = LogisticRegression(C=np.inf)
    # Each function counts as vulnerable by its target, and as not by what that lacks to 1.
    regression.fit(
        np.concatenate([log_odds_RM, log_odds_RM]),
        np.repeat([1, 0], len(labels_R)),
        sample_weight=np.concatenate([target_R, 1 - target_R]),
    )
    return regression.coef_[0].tolist(), float(regression.intercept_[0])


@dataclass(frozen=True, kw_only=True)
class MixedBatch:
    """The network's inputs, and the linear model's log-odds, float32, (B,)."""

    inputs: Any
    linear_B: Tensor

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        return type(self)(inputs=self.inputs.to(device), linear_B=self.linear_B.to(device, non_blocking=True))


class MixedTask:
    """Implements `Task`: another task, whose logits are mixed with a linear model's once `mix` says how.

    Args:
        task: With the network.
        linear_F: The linear model's log-odds of every function of the data set, float32.
        mix: To begin with; training is the network's alone.
    """

    def __init__(self, task: Task, linear_F: NDArray[np.float32], *, mix: Mix = NETWORK_ALONE) -> None:
        self.mix = mix
        self._task = task
        self._linear_F = linear_F

    @property
    def model(self) -> nn.Module:
        """The network."""
        return self._task.model

    @property
    def groups(self) -> Sequence[ParameterGroup]:
        """The network's parameters."""
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

    def load_batch(self, rows: Rows) -> MixedBatch:
        """Return the network's inputs, with the linear model's log-odds."""
        return MixedBatch(inputs=self._task.load_batch(rows), linear_B=torch.from_numpy(self._linear_F[rows]))

    def predict(self, batch: MixedBatch) -> Prediction:
        """Return the mixed logits, and the network's embedding."""
        prediction = self._task.predict(batch.inputs)
        if self.mix == NETWORK_ALONE:
            return prediction
        half_B = (self.mix.linear * batch.linear_B + self.mix.bias).to(prediction.logits_BC.dtype) / 2
        logits_BC = self.mix.network * prediction.logits_BC + torch.stack([-half_B, half_B], dim=1)
        return Prediction(logits_BC=logits_BC, embedding_BD=prediction.embedding_BD)
