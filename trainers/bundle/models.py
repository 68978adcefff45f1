"""A trained text model and a trained graph model that score functions from outside any data set."""

# Shapes: F functions, D width of an embedding.
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cellgate.contract.artifacts import VOCABULARY_NAME
from cellgate.contract.configs import TransformerModel
from trainers.bundle.graphs import GraphEncoder, read_vocabulary
from trainers.data.batching import collate_graphs, node_budget_batches
from trainers.data.encoding import RawGraphs, build_chunk
from trainers.engine.metrics import Floats, margins
from trainers.models.gnn.model import GraphNetwork
from trainers.models.gnn.saving import load_gnn
from trainers.models.gnn.train import EVALUATION_BATCH, NODE_BUDGET
from trainers.models.linear.base import read_linear
from trainers.models.linear.graph import count_patterns
from trainers.models.linear.model import LinearModel
from trainers.models.linear.text import count_parts
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
    """

    embeddings_FD: NDArray[np.float32]
    log_odds_F: Floats
    truncated_F: NDArray[np.bool_]


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
        linear: That it was trained over; null where there is none.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, max_tokens: int, temperature: float, linear: LinearModel | None = None
    ) -> None:
        self._reader = TextReader(model.eval())
        self._linear = linear
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
        linear = read_linear(folder)
        return cls(loaded, tokenizer, max_tokens=max_tokens, temperature=temperature, linear=linear)

    def predict(self, functions: Functions) -> ModelOutputs:
        """Return the model's outputs for each function."""
        tokens = tokenize(functions.sources, self._tokenizer, max_tokens=self._max_tokens)
        pad_token_id = self._tokenizer.pad_token_id
        size = max(1, min(TEXT_BATCH, TOKEN_BUDGET // self._max_tokens))
        plan = by_rising_length(tokens, np.arange(len(functions.sources)), size=size)
        with torch.inference_mode():
            batches = [(rows, self._reader.read(padded(tokens, rows, pad_token_id=pad_token_id))) for rows in plan]
        linear_F = None if self._linear is None else self._linear.log_odds(count_parts(functions.sources))
        return _in_order(batches, linear_F=linear_F, temperature=self._temperature, truncated_F=tokens.truncated_F)


class GraphModel:
    """A trained graph model with its vocabulary.

    Args:
        temperature: What its logits are divided by.
        linear: That it was trained over; null where there is none.
    """

    def __init__(
        self, model: GraphNetwork, encoder: GraphEncoder, *, temperature: float, linear: LinearModel | None = None
    ) -> None:
        self._model = model.eval()
        self._linear = linear
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
        return cls(network, encoder, temperature=temperature, linear=read_linear(folder))

    def predict(self, functions: Functions) -> ModelOutputs:
        """Return the model's outputs for each function."""
        if functions.graphs is None:
            raise ValueError("the functions were read without their graphs")
        encoded = self._encoder.encode(functions.graphs)
        nodes_F, _ = encoded.graph_sizes(np.arange(len(functions.sources)))
        plan = node_budget_batches(
            nodes_F, batch_size=EVALUATION_BATCH, node_budget=NODE_BUDGET, rng=np.random.default_rng(0)
        )
        with torch.inference_mode():
            batches = [(batch, self._model(collate_graphs(encoded, batch))) for batch in plan]
        every_row = np.arange(len(functions.sources))
        linear_F = None if self._linear is None else self._linear.log_odds(count_patterns(encoded, every_row))
        nowhere_F = np.zeros(len(functions.sources), dtype=np.bool_)
        return _in_order(batches, linear_F=linear_F, temperature=self._temperature, truncated_F=nowhere_F)


def _in_order(
    batches: Sequence[tuple[NDArray[np.int64], Any]],
    *,
    linear_F: Floats | None,
    temperature: float,
    truncated_F: NDArray[np.bool_],
) -> ModelOutputs:
    """Join batches' predictions in the functions' order, over those of the linear model."""
    back_F = np.argsort(np.concatenate([rows for rows, _ in batches]))
    logits_FC = np.concatenate([prediction.logits_BC.float().numpy() for _, prediction in batches])[back_F]
    embeddings_FD = np.concatenate([prediction.embedding_BD.float().numpy() for _, prediction in batches])[back_F]
    log_odds_F = margins(logits_FC) if linear_F is None else margins(logits_FC) + linear_F
    return ModelOutputs(embeddings_FD=embeddings_FD, log_odds_F=log_odds_F / temperature, truncated_F=truncated_F)
