"""Graphs as they are written: numbered by vocabularies that are fitted on train, a part at a time."""

# Shapes: F functions, N nodes and E edges of all functions together, S strings.
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.data.encoding import GraphSet, RawGraphs
from trainers.data.graphs.build import EDGE_TYPES, FEATURES
from trainers.data.graphs.grammar import KINDS
from trainers.data.vocabulary import SPECIAL, Vocabulary, fit_strings

FEATURE_VOCAB_SIZES = {"api": 1_000, "data_type": 1_000, "literal": 1_000, "operator": 64}


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """How often each value occurs in train."""

    tokens_S: NDArray[np.int64]
    features_4S: NDArray[np.int64]
    kinds: NDArray[np.int64]
    edge_types: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The vocabulary of graphs, and for each of their values its number in it.

    Args:
        graphs: The graphs themselves.
        number_of_kind: An edge of the type -1 is left out.
    """

    graphs: GraphSet
    vocabulary: Vocabulary
    number_of_kind: NDArray[np.int64]
    number_of_token: NDArray[np.int64]
    number_of_feature: Sequence[NDArray[np.int64]]
    number_of_edge_type: NDArray[np.int64]

    def pointers(self) -> dict[str, np.ndarray]:
        """Return where each function's nodes and edges begin, and where the last one's end: `node_ptr`, `edge_ptr`."""
        edges_F = self.graphs.edges_F
        if (self.number_of_edge_type < 0).any():
            edges_F = np.concatenate([self._kept_edges(part) for part in self.graphs.parts()])
        return {"node_ptr": _pointers(self.graphs.nodes_F), "edge_ptr": _pointers(edges_F)}

    def _kept_edges(self, part: RawGraphs) -> NDArray[np.int64]:
        function_E = np.repeat(np.arange(len(part.edges_F)), part.edges_F)
        kept_E = self.number_of_edge_type[part.edge_type_E] >= 0
        return np.bincount(function_E[kept_E], minlength=len(part.edges_F))

    def parts(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the arrays of nodes and edges, in order, some functions at a time."""
        for part in self.graphs.parts():
            edge_type_E = self.number_of_edge_type[part.edge_type_E]
            kept_E = edge_type_E >= 0
            features = [numbers[part.features_N4[:, k]] for k, numbers in enumerate(self.number_of_feature)]
            yield {
                "node_type": self.number_of_kind[part.kind_N].astype(np.int16),
                "node_token": self.number_of_token[part.token_N].astype(np.int32),
                "node_features": np.stack(features, axis=1).astype(np.int16),
                "node_statement": part.statement_N,
                "edge_src": part.source_E[kept_E],
                "edge_dst": part.target_E[kept_E],
                "edge_type": edge_type_E[kept_E].astype(np.int8),
            }


def _pointers(counts_F: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts_F)])


def encode_graphs(graphs: GraphSet, *, is_train_F: np.ndarray, token_vocab_size: int) -> Encoded:
    """Fit the vocabularies on train.

    Args:
        is_train_F: Bool, True for the functions of train.
        token_vocab_size: Token values at most, the two special ones included.
    """
    counts = _count(graphs, is_train_F)

    def spelled(number: int) -> str:
        return graphs.strings[number].decode(errors="replace")

    tokens, number_of_token = fit_strings(counts.tokens_S, spelled, size=token_vocab_size)
    features = {
        name: fit_strings(counts_S, spelled, size=FEATURE_VOCAB_SIZES[name])
        for name, counts_S in zip(FEATURES, counts.features_4S, strict=True)
    }
    node_types, number_of_kind = _node_types(graphs.kinds, counts.kinds)
    edge_types, number_of_edge_type = _edge_types(graphs.edge_types, counts.edge_types)
    return Encoded(
        graphs=graphs,
        vocabulary=Vocabulary(
            node_types=node_types,
            tokens=tokens,
            features={name: values for name, (values, _) in features.items()},
            edge_types=edge_types,
        ),
        number_of_kind=number_of_kind,
        number_of_token=number_of_token,
        number_of_feature=[numbers for _, numbers in features.values()],
        number_of_edge_type=number_of_edge_type,
    )


def _count(graphs: GraphSet, is_train_F: np.ndarray) -> _Counts:
    counts = _Counts(
        tokens_S=np.zeros(len(graphs.strings), dtype=np.int64),
        features_4S=np.zeros((len(FEATURES), len(graphs.strings)), dtype=np.int64),
        kinds=np.zeros(len(graphs.kinds), dtype=np.int64),
        edge_types=np.zeros(len(graphs.edge_types), dtype=np.int64),
    )
    done = 0
    for part in graphs.parts():
        is_train = is_train_F[done : done + len(part.nodes_F)]
        done += len(part.nodes_F)
        in_train_N = np.repeat(is_train, part.nodes_F)
        np.add.at(counts.tokens_S, part.token_N[in_train_N], 1)
        for feature, counts_S in enumerate(counts.features_4S):
            np.add.at(counts_S, part.features_N4[in_train_N, feature], 1)
        np.add.at(counts.kinds, part.kind_N[in_train_N], 1)
        np.add.at(counts.edge_types, part.edge_type_E[np.repeat(is_train, part.edges_F)], 1)
    return counts


def _node_types(kinds: tuple[str, ...], counts: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the node types and each kind's number: the grammars' are fixed, those of imported graphs are fitted."""
    if kinds == KINDS:
        return (*SPECIAL, *KINDS), np.arange(len(SPECIAL), len(SPECIAL) + len(KINDS))
    return fit_strings(counts, kinds.__getitem__, size=len(kinds) + len(SPECIAL))


def _edge_types(names: tuple[str, ...], counts: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the edge types and each one's number; of imported graphs only those that train has, -1 for the others.

    A type that train lacks would have weights that nothing has trained.
    """
    if names == EDGE_TYPES:
        return EDGE_TYPES, np.arange(len(EDGE_TYPES))
    known = sorted((name for name, count in zip(names, counts.tolist(), strict=True) if count), key=_our_first)
    number_of = np.array([known.index(name) if name in known else -1 for name in names], dtype=np.int64)
    return tuple(known), number_of


def _our_first(edge_type: str) -> tuple[int, str]:
    return (EDGE_TYPES.index(edge_type) if edge_type in EDGE_TYPES else len(EDGE_TYPES)), edge_type
