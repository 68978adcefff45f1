"""A text classifier of the transformers library, as the engine sees it."""

# Shapes: B functions in the batch, T tokens of the longest, D width, C classes (2).
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainers.data.batching import length_buckets
from trainers.engine.task import Prediction, Rows
from trainers.models.transformer.attention import use_row_masks
from trainers.models.transformer.parameters import components, parameter_groups
from trainers.models.transformer.token_ids import TokenizedDataset

CLASSES = 2
# Evaluation keeps no activations for a backward pass.
EVALUATION_FACTOR = 2


@dataclass(frozen=True, kw_only=True)
class TextBatch:
    """Token ids and attention mask, (B, T), int64; padding is masked."""

    ids_BT: Tensor
    mask_BT: Tensor

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        return type(self)(
            ids_BT=self.ids_BT.to(device, non_blocking=True), mask_BT=self.mask_BT.to(device, non_blocking=True)
        )


class TextReader:
    """A text classifier that returns its embedding beside its logits.

    Args:
        model: From AutoModelForSequenceClassification, with two classes; changed in place.
    """

    def __init__(self, model: Any) -> None:
        use_row_masks(model)
        self.model: nn.Module = model
        self._hidden: Tensor | None = None
        self._classifier_input: Tensor | None = None
        model.base_model.register_forward_hook(self._keep_hidden)
        _last_linear(model).register_forward_pre_hook(self._keep_classifier_input)

    def _keep_hidden(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._hidden = output[0]

    def _keep_classifier_input(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._classifier_input = inputs[0]

    def read(self, batch: TextBatch) -> Prediction:
        """Run the model; the embedding is what its last layer reads, or the tokens' mean where that is per token."""
        logits_BC = self.model(input_ids=batch.ids_BT, attention_mask=batch.mask_BT).logits
        read, hidden = self._classifier_input, self._hidden
        self._classifier_input = self._hidden = None
        if read is not None and read.dim() == 2:
            return Prediction(logits_BC=logits_BC, embedding_BD=read)
        if hidden is None:
            raise TypeError(f"{type(self.model).__name__} has no last hidden state to pool")
        return Prediction(logits_BC=logits_BC, embedding_BD=masked_mean(hidden, batch.mask_BT))


def padded(tokens: TokenizedDataset, rows: Rows, *, pad_token_id: int) -> TextBatch:
    """Return the ids of some functions, padded to the longest of them.

    Args:
        tokens: Of the whole data set.
        rows: Of the data set, at least one.
        pad_token_id: Fills the shorter ones up.
    """
    lengths_B = tokens.lengths(rows)
    mask_BT = np.arange(lengths_B.max()) < lengths_B[:, None]
    ids_BT = np.full(mask_BT.shape, pad_token_id, dtype=np.int64)
    ids_BT[mask_BT] = np.concatenate([tokens.of(int(row)) for row in rows])
    return TextBatch(ids_BT=torch.from_numpy(ids_BT), mask_BT=torch.from_numpy(mask_BT.astype(np.int64)))


def by_rising_length(tokens: TokenizedDataset, rows: Rows, *, size: int) -> list[Rows]:
    """Return batches of at most `size` functions, the shortest functions first.

    Args:
        tokens: Of the whole data set.
        rows: Of the data set.
        size: Functions per batch at most.
    """
    ordered = rows[np.argsort(tokens.lengths(rows), kind="stable")]
    return [ordered[first : first + size] for first in range(0, len(ordered), size)]


class TransformerTask:
    """Implements `Task`: padding to the longest of the batch, batches of like length, pairs kept together.

    Args:
        model: From AutoModelForSequenceClassification, with two classes.
        pairs: By row of the data set; null lets pairs part.
        layer_lr_decay: Learning rate of each layer, of the layer's above it.
    """

    def __init__(
        self,
        model: Any,
        *,
        tokens: TokenizedDataset,
        pad_token_id: int,
        batch_size: int,
        max_tokens: int,
        pairs: Sequence[str | None] | None,
        layer_lr_decay: float = 1.0,
    ) -> None:
        self._reader = TextReader(model)
        self.groups = parameter_groups(model, layer_lr_decay=layer_lr_decay)
        self.components = components(model)
        self._tokens = tokens
        self._pad_token_id = pad_token_id
        self._batch_size = batch_size
        self._token_budget = batch_size * max_tokens
        self._pairs = pairs

    @property
    def model(self) -> nn.Module:
        """The module to train."""
        return self._reader.model

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        """Return batches of functions of like length, in random order."""
        places = length_buckets(
            self._tokens.lengths(rows),
            batch_size=self._batch_size,
            token_budget=self._token_budget,
            rng=rng,
            pairs=None if self._pairs is None else [self._pairs[row] for row in rows],
        )
        return [rows[batch] for batch in places]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        """Return batches by rising length."""
        return by_rising_length(self._tokens, rows, size=self._batch_size * EVALUATION_FACTOR)

    def load_batch(self, rows: Rows) -> TextBatch:
        """Return the padded ids of these rows."""
        return padded(self._tokens, rows, pad_token_id=self._pad_token_id)

    def predict(self, batch: TextBatch) -> Prediction:
        """Run the model."""
        return self._reader.read(batch)


def masked_mean(hidden_BTD: Tensor, mask_BT: Tensor) -> Tensor:
    """Average each function's token vectors over its real tokens, (B, D).

    Args:
        hidden_BTD: Token vectors; padding may hold anything finite.
        mask_BT: 1 at real tokens; at least one per row.

    Source:
        MEAN strategy, Reimers and Gurevych 2019, arXiv 1908.10084, section 3.
    """
    weight_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
    return (hidden_BTD * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1)


def _last_linear(model: Any) -> nn.Linear:
    """Return the layer that makes the logits."""
    inside = {id(module) for module in model.base_model.modules()}
    layers = [m for m in model.modules() if isinstance(m, nn.Linear) and id(m) not in inside]
    layers = [m for m in layers if m.out_features == CLASSES]
    if not layers:
        raise TypeError(f"{type(model).__name__} has no linear layer with {CLASSES} outputs")
    return layers[-1]
