"""Batches: which functions go together, and their graphs as one."""

# Shapes: B functions in the batch, N nodes and E edges of all of them, reverse edges included.
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.dataset import GraphArrays, RowNumbers
from trainers.data.vocabulary import Vocabulary

# Batches whose members are sorted by length together: enough to have neighbours of like length, few enough to
# leave the order random.
BUCKET_BATCHES = 50


class GraphSource(Protocol):
    """Where graphs come from: a data set, or functions read just now."""

    @property
    def graphs(self) -> GraphArrays:
        """All graphs, one after another."""
        ...

    @property
    def vocab(self) -> Vocabulary:
        """What the numbers in them mean."""
        ...

    def graph_sizes(self, rows: RowNumbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of nodes and of stored edges of each row."""
        ...


@dataclass(frozen=True, kw_only=True)
class GraphBatch:
    """The graphs of B functions as one graph of B parts.

    Args:
        node_type_N: int64, as in `Graph`; so are the next three.
        node_token_N: int64.
        node_features_N4: int64.
        node_statement_N: int64, numbered within the batch.
        edge_index_2E: int64, source and target, numbered within the batch; all forward edges, then their reverses.
        edge_type_E: int64; a reverse edge has its forward type plus the number of forward types.
        graph_of_node_N: int64, 0 to B - 1, ascending.
        graphs: B.
    """

    node_type_N: Tensor
    node_token_N: Tensor
    node_features_N4: Tensor
    node_statement_N: Tensor
    edge_index_2E: Tensor
    edge_type_E: Tensor
    graph_of_node_N: Tensor
    graphs: int

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=True)
            for field in fields(self)
            if field.name != "graphs"
        }
        return type(self)(**moved, graphs=self.graphs)


def _ranges(start_B: np.ndarray, count_B: np.ndarray) -> np.ndarray:
    """Return start, start + 1, … for each range, one after another."""
    first_B = np.cumsum(count_B) - count_B
    places: np.ndarray = np.arange(count_B.sum(), dtype=np.int64) + np.repeat(start_B - first_B, count_B)
    return places


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.int64, copy=False))


def collate_graphs(dataset: GraphSource, rows: RowNumbers) -> GraphBatch:
    """Join the graphs of some rows, in their order; a graph's part does not depend on its neighbours."""
    chosen_B = np.asarray(rows, dtype=np.int64)
    arrays = dataset.graphs
    nodes_B, edges_B = dataset.graph_sizes(chosen_B)
    node_N = _ranges(arrays.node_ptr[chosen_B], nodes_B)
    edge_E = _ranges(arrays.edge_ptr[chosen_B], edges_B)
    offset_B = np.cumsum(nodes_B) - nodes_B
    offset_E = np.repeat(offset_B, edges_B)
    source_E = arrays.edge_src[edge_E] + offset_E
    target_E = arrays.edge_dst[edge_E] + offset_E
    kind_E = arrays.edge_type[edge_E].astype(np.int64)
    forward_types = len(dataset.vocab.edge_types)
    return GraphBatch(
        node_type_N=_tensor(arrays.node_type[node_N]),
        node_token_N=_tensor(arrays.node_token[node_N]),
        node_features_N4=_tensor(arrays.node_features[node_N]),
        node_statement_N=_tensor(arrays.node_statement[node_N] + np.repeat(offset_B, nodes_B)),
        edge_index_2E=_tensor(np.stack([np.concatenate([source_E, target_E]), np.concatenate([target_E, source_E])])),
        edge_type_E=_tensor(np.concatenate([kind_E, kind_E + forward_types])),
        graph_of_node_N=_tensor(np.repeat(np.arange(len(chosen_B)), nodes_B)),
        graphs=len(chosen_B),
    )


def _units(count: int, pairs: Sequence[str | None] | None) -> list[list[int]]:
    """List the units that must stay in one batch: pairs when given, single functions otherwise."""
    if pairs is None:
        return [[place] for place in range(count)]
    units: dict[object, list[int]] = {}
    for place, pair in enumerate(pairs):
        units.setdefault(place if pair is None else ("pair", pair), []).append(place)
    # A pair is two; a group that calls itself one and is larger would not fit a batch.
    return [unit[i : i + 2] for unit in units.values() for i in range(0, len(unit), 2)]


def length_buckets(
    lengths: Sequence[int] | NDArray[np.int64],
    *,
    batch_size: int,
    token_budget: int,
    rng: np.random.Generator,
    pairs: Sequence[str | None] | None = None,
) -> list[NDArray[np.int64]]:
    """Return one epoch of batches of functions of like length, in random order.

    Args:
        lengths: Tokens of each function.
        batch_size: Functions per batch at most.
        token_budget: Longest function times functions per batch at most; one that is longer is a batch of its own.
        rng: Decides the order; the same state gives the same batches.
        pairs: Pair of each function, to keep both members in one batch where size and budget allow it.

    Returns:
        Places in `lengths`; each once.
    """
    size_of = np.asarray(lengths, dtype=np.int64)
    units = _units(len(size_of), pairs)
    order = [units[i] for i in rng.permutation(len(units))]
    batches: list[list[int]] = []
    for bucket in _buckets(order, BUCKET_BATCHES * batch_size):
        bucket.sort(key=lambda unit: int(size_of[unit].max()))
        batches.extend(_fill_padded(bucket, size_of, batch_size, token_budget))
    return [np.array(batches[i], dtype=np.int64) for i in rng.permutation(len(batches))]


def _buckets(order: list[list[int]], functions: int) -> list[list[list[int]]]:
    buckets: list[list[list[int]]] = [[]]
    held = 0
    for unit in order:
        if held and held + len(unit) > functions:
            buckets.append([])
            held = 0
        buckets[-1].append(unit)
        held += len(unit)
    return buckets


def _fill_padded(
    units: list[list[int]], size_of: NDArray[np.int64], batch_size: int, token_budget: int
) -> list[list[int]]:
    batches: list[list[int]] = []
    longest = 0
    for unit in units:
        unit_longest = int(size_of[unit].max())
        fits = unit_longest * len(unit) <= token_budget and len(unit) <= batch_size
        for part in [unit] if fits else [[place] for place in unit]:
            longest = max(longest, int(size_of[part].max()))
            count = len(batches[-1]) + len(part) if batches else 0
            if not batches or count > batch_size or longest * count > token_budget:
                batches.append([])
                longest = int(size_of[part].max())
            batches[-1].extend(part)
    return batches


def node_budget_batches(
    nodes: Sequence[int] | NDArray[np.int64],
    *,
    batch_size: int,
    node_budget: int,
    rng: np.random.Generator,
    pairs: Sequence[str | None] | None = None,
) -> list[NDArray[np.int64]]:
    """Return one epoch of batches in random order; graphs are not padded, so only their sum counts.

    Args:
        nodes: Nodes of each function.
        batch_size: Functions per batch at most.
        node_budget: Nodes per batch at most; a larger graph is a batch of its own.
        rng: Decides the order; the same state gives the same batches.
        pairs: Pair of each function, to keep both members in one batch where size and budget allow it.

    Returns:
        Places in `nodes`; each once.
    """
    # Plain numbers: sums over two of them take NumPy longer than Python.
    size_of: list[int] = np.asarray(nodes, dtype=np.int64).tolist()
    units = _units(len(size_of), pairs)
    batches: list[list[int]] = []
    held = 0
    for index in rng.permutation(len(units)).tolist():
        unit = units[index]
        fits = sum(size_of[place] for place in unit) <= node_budget and len(unit) <= batch_size
        for part in [unit] if fits else [[place] for place in unit]:
            weight = sum(size_of[place] for place in part)
            if not batches or len(batches[-1]) + len(part) > batch_size or held + weight > node_budget:
                batches.append([])
                held = 0
            batches[-1].extend(part)
            held += weight
    return [np.array(batch, dtype=np.int64) for batch in batches]
