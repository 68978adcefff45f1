"""The patterns of a function's graph: its nodes, their features, and its typed edges."""

# Shapes: G functions asked for, N nodes and E edges of those together.
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from trainers.data.batching import GraphBatch, GraphSource, collate_graphs
from trainers.data.dataset import RowNumbers
from trainers.models.linear.hashing import counted, mixed

Places = NDArray[np.int64]
# Starts the hash of each kind of pattern.
NODE, FEATURE, EDGE = 1, 2, 3


def count_patterns(source: GraphSource, rows: RowNumbers) -> sparse.csr_matrix:
    """Return how often each pattern stands in each graph, hashed, float32, (G, K).

    A pattern is a node's type and token, one of its features, or an edge's type with the nodes at its ends.

    Args:
        source: Where the graphs are.
        rows: Which of them, at least one.
    """
    batch = collate_graphs(source, rows)
    function_N = batch.graph_of_node_N.numpy()
    node_N = mixed(batch.node_type_N.numpy(), batch.node_token_N.numpy())
    found = [(mixed(node_N, NODE), function_N)]
    for place, value_N in enumerate(batch.node_features_N4.numpy().T):
        known_N = value_N > 0
        found.append((mixed(value_N[known_N], place, FEATURE), function_N[known_N]))
    edges = _forward_edges(batch, forward_types=len(source.vocab.edge_types))
    found.append((mixed(node_N[edges[0]], node_N[edges[1]], edges[2], EDGE), function_N[edges[0]]))
    return counted(found, functions=len(rows))


def _forward_edges(batch: GraphBatch, *, forward_types: int) -> tuple[Places, Places, Places]:
    """Return source, target and type of the stored edges; their reverses say nothing new."""
    is_forward_E = batch.edge_type_E.numpy() < forward_types
    source_E, target_E = batch.edge_index_2E.numpy()[:, is_forward_E]
    return source_E, target_E, batch.edge_type_E.numpy()[is_forward_E]
