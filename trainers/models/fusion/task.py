"""A fusion head, with the base models that learn with it, as the engine sees them."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from cellgate.contract.specs import FusionSpec
from trainers.data.batching import node_budget_batches
from trainers.engine.task import ParameterGroup, Prediction, Rows
from trainers.models.fusion.base_models import (
    FusionNetwork,
    LiveBatch,
    UnfrozenBase,
    complete,
    plan_evaluation_together,
    plan_together,
)
from trainers.models.fusion.features import Features
from trainers.models.fusion.model import FusionHead

EVALUATION_BATCH = 4096


class FusionTask:
    """Implements `Task`: outputs of frozen models are read, those of unfrozen ones are computed with each batch.

    Args:
        pairs: Pair of each of the data set's rows, to keep both members in one batch; null does not.
        bases: The models that learn with the head, by name.
    """

    def __init__(
        self,
        head: FusionHead,
        features: Features,
        spec: FusionSpec,
        *,
        pairs: Sequence[str | None] | None,
        bases: Mapping[str, UnfrozenBase],
    ) -> None:
        self.head = head
        self.bases = bases
        self.model: nn.Module = (
            FusionNetwork(head, {name: base.task.model for name, base in bases.items()}) if bases else head
        )
        self.components = _components(head, bases)
        self.groups = _groups(head, bases, spec)
        self._features = features
        self._spec = spec
        self._pairs = pairs
        self._live = [base.task for base in bases.values()]

    def forget(self) -> None:
        """Reset the model to the ensemble that it started as."""
        self.head.forget()
        for base in self.bases.values():
            base.forget()

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        """Return the epoch's batches."""
        if self._live:
            return plan_together(self._live, rows, rng)
        places = node_budget_batches(
            np.ones(len(rows), dtype=np.int64),
            batch_size=self._spec.training.batch_size,
            node_budget=self._spec.training.batch_size,
            rng=rng,
            pairs=None if self._pairs is None else [self._pairs[int(row)] for row in rows],
        )
        return [rows[chosen] for chosen in places]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        """Return batches of all rows."""
        if self._live:
            return plan_evaluation_together(self._live, rows)
        return [rows[first : first + EVALUATION_BATCH] for first in range(0, len(rows), EVALUATION_BATCH)]

    def load_batch(self, rows: Rows) -> LiveBatch:
        """Return the frozen models' outputs for these rows, and the inputs of the unfrozen ones."""
        return LiveBatch(
            read=self._features.batch(rows),
            inputs={name: base.task.load_batch(rows) for name, base in self.bases.items()},
        )

    def predict(self, batch: LiveBatch) -> Prediction:
        """Return logits and the head's hidden layer."""
        read = complete(batch, self.bases, text_weight=self._spec.model.text_weight) if self.bases else batch.read
        prediction: Prediction = self.head(read)
        return prediction


def _components(head: FusionHead, bases: Mapping[str, UnfrozenBase]) -> Mapping[str, Sequence[nn.Parameter]]:
    """Return the trainable parameters of the text side, of the graph side and of the join; none is empty."""
    parts = head.components
    for name, base in bases.items():
        parts[name] = [*parts.get(name, []), *(p for p in base.task.model.parameters() if p.requires_grad)]
    return parts


def _groups(head: FusionHead, bases: Mapping[str, UnfrozenBase], spec: FusionSpec) -> Sequence[ParameterGroup]:
    """Return the parameters of both sides, of the unfrozen models at their own learning rates, and of the join."""
    config = spec.model
    ratios = {"transformer": config.transformer_lr_ratio, "gnn": config.gnn_lr_ratio, "head": 1.0}
    groups = [
        ParameterGroup(name=name, parameters=parameters, lr_ratio=ratios[name])
        for name, parameters in head.components.items()
    ]
    for name, base in bases.items():
        groups += _groups_of_base(name, base, config.unfrozen_lr_ratio)
    return groups


def _groups_of_base(name: str, base: UnfrozenBase, lr_ratio: float) -> list[ParameterGroup]:
    """Return a live model's parameters, divided by weight decay as in its own cell."""
    groups = []
    for ending, decays in (("base", True), ("base_no_decay", False)):
        parameters = [p for group in base.task.groups if group.weight_decay is decays for p in group.parameters]
        if parameters:
            groups.append(
                ParameterGroup(name=f"{name}_{ending}", parameters=parameters, lr_ratio=lr_ratio, weight_decay=decays)
            )
    return groups
