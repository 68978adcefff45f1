"""A trained text model and a trained graph model that score functions from outside any data set."""

# Shapes: F functions, D width of an embedding.
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellgate.contract.artifacts import VOCABULARY_NAME
from cellgate.contract.configs import TransformerModel
from trainers.bundle.contributions import LastHidden, Lines, lines_of_tokens
from trainers.bundle.graphs import GraphEncoder, read_vocabulary
from trainers.data.batching import collate_graphs, node_budget_batches
from trainers.data.encoding import RawGraphs, build_chunk
from trainers.engine.metrics import Floats, margins
from trainers.engine.task import Prediction
from trainers.models.gnn.model import GraphNetwork
from trainers.models.gnn.saving import load_gnn
from trainers.models.gnn.train import EVALUATION_BATCH, NODE_BUDGET
from trainers.models.linear.graph import patterns_of_graphs
from trainers.models.linear.hashing import Found
from trainers.models.linear.saved import LinearPart
from trainers.models.linear.text import patterns_of_text
from trainers.models.transformer.pretrained import (
    NO_TOKEN_LIMIT,
    load_pretrained_model,
    load_pretrained_tokenizer,
    token_limit,
)
from trainers.models.transformer.task import TextReader, by_rising_length, padded
from trainers.models.transformer.token_ids import tokenize
from trainers.models.transformer.train import quieten_library

TEXT_BATCH = 32
# Tokens in one batch at most, where one function has no more.
TOKEN_BUDGET = 16_384


@dataclass(frozen=True, kw_only=True)
class Functions:
    """Functions to score: their text, as `prepare` would have it, and their graphs.

    Args:
        max_nodes: Graph nodes kept of each.
        graphs: In the same order; null where no model reads them.
    """

    sources: Sequence[str]
    max_nodes: int
    graphs: RawGraphs | None

    @classmethod
    def read(cls, sources: Sequence[str], *, max_nodes: int, with_graphs: bool = True) -> "Functions":
        """Parse functions, at least one.

        Args:
            sources: Text of each function, at least one.
            max_nodes: Graph nodes kept per function.
            with_graphs: False where no model reads graphs, which saves the parsing.
        """
        graphs = build_chunk(sources, max_nodes) if with_graphs else None
        return cls(sources=sources, max_nodes=max_nodes, graphs=graphs)


@dataclass(frozen=True, kw_only=True)
class ModelOutputs:
    """The outputs of one model.

    Args:
        embeddings_FD: Pooled, float32.
        log_odds_F: Calibrated.
        truncated_F: Whether the function has more tokens than a text model reads.
        contributions_F: What each of its tokens or nodes adds to the log-odds; null where that was not asked for, or
            where the model reads one of them alone.
        linear_F: What each part of the text, or each node, adds by the linear model; empty where that was not asked
            for, or where there is none.
    """

    embeddings_FD: NDArray[np.float32]
    log_odds_F: Floats
    truncated_F: NDArray[np.bool_]
    contributions_F: Sequence[Floats | None]
    linear_F: Sequence[Floats] = ()


def load_text(folder: Path, *, model: nn.Module | None = None) -> tuple[Any, Any, int]:
    """Return the text model that cell 51 saved, its tokenizer, and how many tokens it reads.

    Args:
        model: Already loaded from the same folder; null loads it.

    Raises:
        SpecError: It cannot be loaded.
    """
    quieten_library()
    saved = TransformerModel(checkpoint=str(folder), max_tokens=NO_TOKEN_LIMIT)
    tokenizer = load_pretrained_tokenizer(saved)
    if model is None:
        model = load_pretrained_model(saved, pad_token_id=tokenizer.pad_token_id)
    return model, tokenizer, token_limit(saved, tokenizer)


class TextModel:
    """A trained text model with its tokenizer.

    Args:
        temperature: What its logits are divided by.
        linear: That it is mixed with; null where there is none.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, max_tokens: int, temperature: float, linear: LinearPart | None = None
    ) -> None:
        self._reader = TextReader(model.eval())
        self._linear = linear
        self._hidden = LastHidden(model, model.base_model)
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._temperature = temperature

    @classmethod
    def load(cls, folder: Path, *, temperature: float, model: nn.Module | None = None) -> "TextModel":
        """Load a model that cell 51 saved.

        Args:
            model: Already loaded from the same folder; null loads it.

        Raises:
            DataError: The linear model beside it is damaged.
            SpecError: It cannot be loaded.
        """
        loaded, tokenizer, max_tokens = load_text(folder, model=model)
        linear = LinearPart.find(folder)
        return cls(loaded, tokenizer, max_tokens=max_tokens, temperature=temperature, linear=linear)

    def lines(self, sources: Sequence[str]) -> list[Lines]:
        """Return the line of each token that is read, from 1."""
        return lines_of_tokens(sources, self._tokenizer, max_tokens=self._max_tokens)

    def predict(self, functions: Functions, *, contributions: bool = False) -> ModelOutputs:
        """Return the model's outputs for each function.

        Args:
            contributions: Also what each token adds to the log-odds, where the tokenizer tells where tokens stand.
        """
        tokens = tokenize(functions.sources, self._tokenizer, max_tokens=self._max_tokens)
        pad_token_id = self._tokenizer.pad_token_id
        size = max(1, min(TEXT_BATCH, TOKEN_BUDGET // self._max_tokens))
        plan = by_rising_length(tokens, np.arange(len(functions.sources)), size=size)
        batches = []
        with _reading(contributions=contributions and self._tokenizer.is_fast):
            for rows in plan:
                prediction = self._reader.read(padded(tokens, rows, pad_token_id=pad_token_id))
                parts = _split_rows(self._hidden.contributions(prediction.logits_BC), tokens.lengths(rows))
                batches.append(_Batch.of(rows, prediction, parts))
        outputs = _in_order(batches, temperature=self._temperature, truncated_F=tokens.truncated_F)
        if self._linear is None:
            return outputs
        found = patterns_of_text(functions.sources)
        return _mixed(self._linear, found, outputs, temperature=self._temperature, contributions=contributions)


class GraphModel:
    """A trained graph model with its vocabulary.

    Args:
        temperature: What its logits are divided by.
        linear: That it is mixed with; null where there is none.
    """

    def __init__(
        self, model: GraphNetwork, encoder: GraphEncoder, *, temperature: float, linear: LinearPart | None = None
    ) -> None:
        self._model = model.eval()
        self._linear = linear
        self._hidden = LastHidden(model, model.norm)
        self._encoder = encoder
        self._temperature = temperature

    @classmethod
    def load(cls, folder: Path, *, temperature: float, model: GraphNetwork | None = None) -> "GraphModel":
        """Load a model that cell 52 saved.

        Args:
            model: Already loaded from the same folder; null loads it.

        Raises:
            DataError: It cannot be loaded, or reads graphs that cannot be made from source.
        """
        encoder = GraphEncoder(read_vocabulary(folder / VOCABULARY_NAME))
        network = load_gnn(folder) if model is None else model
        return cls(network, encoder, temperature=temperature, linear=LinearPart.find(folder))

    def predict(self, functions: Functions, *, contributions: bool = False) -> ModelOutputs:
        """Return the model's outputs for each function.

        Args:
            contributions: Also what each node adds to the log-odds.
        """
        if functions.graphs is None:
            raise ValueError("the functions were read without their graphs")
        encoded = self._encoder.encode(functions.graphs)
        nodes_F, _ = encoded.graph_sizes(np.arange(len(functions.sources)))
        plan = node_budget_batches(
            nodes_F, batch_size=EVALUATION_BATCH, node_budget=NODE_BUDGET, rng=np.random.default_rng(0)
        )
        batches = []
        with _reading(contributions=contributions):
            for rows in plan:
                prediction = self._model(collate_graphs(encoded, rows))
                parts = _split_nodes(self._hidden.contributions(prediction.logits_BC), nodes_F[rows])
                batches.append(_Batch.of(rows, prediction, parts))
        nowhere_F = np.zeros(len(functions.sources), dtype=np.bool_)
        outputs = _in_order(batches, temperature=self._temperature, truncated_F=nowhere_F)
        if self._linear is None:
            return outputs
        found = patterns_of_graphs(encoded, np.arange(len(functions.sources)))
        return _mixed(self._linear, found, outputs, temperature=self._temperature, contributions=contributions)


def _reading(*, contributions: bool) -> AbstractContextManager[object]:
    # Weights take no gradients: with them enabled, what a model computes is recorded from its last hidden layer on.
    return torch.enable_grad() if contributions else torch.inference_mode()


def _split_rows(found: tuple[Tensor, Tensor] | None, lengths_B: NDArray[np.int64]) -> list[Floats | None]:
    """Return each function's part of a padded batch."""
    if found is None:
        return [None] * len(lengths_B)
    values_BT, is_read_BT = (one.numpy() for one in found)
    return [
        _unless_one(values_T[:length], is_read_T[:length])
        for values_T, is_read_T, length in zip(values_BT, is_read_BT, lengths_B.tolist(), strict=True)
    ]


def _split_nodes(found: tuple[Tensor, Tensor] | None, nodes_B: NDArray[np.int64]) -> list[Floats | None]:
    """Return each function's part of a batch of graphs."""
    if found is None:
        return [None] * len(nodes_B)
    ends_B = np.cumsum(nodes_B)[:-1]
    values_N, is_read_N = (np.split(one.numpy(), ends_B) for one in found)
    return [_unless_one(values, is_read) for values, is_read in zip(values_N, is_read_N, strict=True)]


def _unless_one(values_P: NDArray[np.float32], is_read_P: NDArray[np.bool_]) -> Floats | None:
    # One that reads none of them adds nothing anywhere.
    return values_P.astype(np.float64) if is_read_P.sum() != 1 else None


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """One batch's outputs, without what they were computed with."""

    rows_B: NDArray[np.int64]
    logits_BC: NDArray[np.float32]
    embedding_BD: NDArray[np.float32]
    contributions_B: list[Floats | None]

    @classmethod
    def of(cls, rows_B: NDArray[np.int64], prediction: Prediction, contributions_B: list[Floats | None]) -> "_Batch":
        """Keep a prediction's numbers."""
        return cls(
            rows_B=rows_B,
            logits_BC=prediction.logits_BC.detach().float().numpy(),
            embedding_BD=prediction.embedding_BD.detach().float().numpy(),
            contributions_B=contributions_B,
        )


def _in_order(batches: Sequence[_Batch], *, temperature: float, truncated_F: NDArray[np.bool_]) -> ModelOutputs:
    """Join batches' predictions in the functions' order."""
    back_F = np.argsort(np.concatenate([batch.rows_B for batch in batches]))
    logits_FC = np.concatenate([batch.logits_BC for batch in batches])[back_F]
    contributions = [of_one for batch in batches for of_one in batch.contributions_B]
    calibrated = [None if of_one is None else of_one / temperature for of_one in contributions]
    return ModelOutputs(
        embeddings_FD=np.concatenate([batch.embedding_BD for batch in batches])[back_F],
        log_odds_F=margins(logits_FC) / temperature,
        truncated_F=truncated_F,
        contributions_F=[calibrated[place] for place in back_F.tolist()],
    )


def _mixed(
    part: LinearPart, found: Found, outputs: ModelOutputs, *, temperature: float, contributions: bool
) -> ModelOutputs:
    """Return a network's outputs, mixed with the linear model's."""
    mix = part.mix
    shift_F = (mix.linear * part.model.log_odds(found.counted()) + mix.bias) / temperature
    of_items = part.model.contributions(found) if contributions else []
    return replace(
        outputs,
        log_odds_F=mix.network * outputs.log_odds_F + shift_F,
        contributions_F=[None if of_one is None else mix.network * of_one for of_one in outputs.contributions_F],
        linear_F=[mix.linear * values_P / temperature for values_P in of_items],
    )
