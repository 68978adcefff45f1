"""Graphs of functions that no data set holds, numbered with a trained model's vocabulary."""

# Shapes: F functions, N nodes and E edges of all functions together, S strings, R requested rows.
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.errors import DataError, InputError
from trainers.data.dataset import GraphArrays, RowNumbers
from trainers.data.encoding import RawGraphs
from trainers.data.graphs.build import EDGE_TYPES, FEATURES
from trainers.data.graphs.grammar import KINDS
from trainers.data.vocabulary import NONE, SPECIAL, UNKNOWN, Vocabulary


@dataclass(frozen=True, kw_only=True)
class EncodedGraphs:
    """Graphs as a graph model reads them: implements `GraphSource`."""

    graphs: GraphArrays
    vocab: Vocabulary

    def graph_sizes(self, rows: RowNumbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of nodes and of edges of each row, (R,) each."""
        chosen_R = np.asarray(rows, dtype=np.int64)
        return np.diff(self.graphs.node_ptr)[chosen_R], np.diff(self.graphs.edge_ptr)[chosen_R]


class GraphEncoder:
    """Numbers graphs as `prepare` numbered those of the data set that the vocabulary is of."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._tokens = _numbers(vocabulary.tokens)
        self._features = [_numbers(vocabulary.features[name]) for name in FEATURES]
        kinds = _numbers(vocabulary.node_types)
        self._type_of_kind = np.array([kinds.get(kind, UNKNOWN) for kind in KINDS], dtype=np.int64)

    def encode(self, raw: RawGraphs) -> EncodedGraphs:
        """Return graphs that the parser made, numbered; what the vocabulary lacks is unknown."""
        strings = [string.decode(errors="replace") for string in raw.strings]
        arrays = GraphArrays(
            node_ptr=_pointers(raw.nodes_F),
            edge_ptr=_pointers(raw.edges_F),
            node_type=self._type_of_kind[raw.kind_N],
            node_token=_numbered(strings, self._tokens)[raw.token_N],
            node_features=np.stack(
                [_numbered(strings, known)[raw.features_N4[:, k]] for k, known in enumerate(self._features)], axis=1
            ),
            node_statement=raw.statement_N,
            edge_src=raw.source_E,
            edge_dst=raw.target_E,
            edge_type=raw.edge_type_E,
        )
        return EncodedGraphs(graphs=arrays, vocab=self.vocabulary)


def _numbers(values: Sequence[str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for number, value in enumerate(values[len(SPECIAL) :], start=len(SPECIAL)):
        numbers.setdefault(value, number)
    return numbers


def _numbered(strings: Sequence[str], known: dict[str, int]) -> NDArray[np.int64]:
    """Return the number of each string, (S,); the first is the empty one."""
    number_S = np.array([known.get(string, UNKNOWN) for string in strings], dtype=np.int64)
    number_S[0] = NONE
    return number_S


def _pointers(counts_F: np.ndarray) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts_F)])


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the vocabulary that a graph model was saved with.

    Raises:
        DataError: It is missing or damaged, or is of graphs that are not made from source here.
    """
    try:
        content = json.loads(path.read_bytes())
        vocabulary = Vocabulary(
            node_types=tuple(content["node_types"]),
            tokens=tuple(content["tokens"]),
            features={feature["name"]: tuple(feature["values"]) for feature in content["features"]},
            edge_types=tuple(content["edge_types"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "the vocabulary of a trained graph model"
        raise DataError.unreadable(
            path, "the vocabulary cannot be read", error, expected=expected, fix="train the model again"
        ) from error
    if vocabulary.edge_types != EDGE_TYPES or tuple(vocabulary.features) != FEATURES:
        problem = InputError(
            where=str(path),
            found=f"edges {', '.join(vocabulary.edge_types)}",
            expected=f"{', '.join(EDGE_TYPES)}: the graphs that are made from source here",
            fix="train the graph model on a data set without imported graphs, or score with the text model alone",
        )
        raise DataError(f"{path}: the graph model reads graphs that cannot be made from source", [problem])
    return vocabulary
