"""The patterns of a function's graph: its nodes, their features, and its typed edges."""

# Shapes: N nodes and E edges of the functions asked for, together.
import numpy as np

from trainers.data.batching import GraphSource, collate_graphs
from trainers.data.dataset import RowNumbers
from trainers.models.linear.hashing import Found, Patterns, mixed

# Starts the hash of each kind of pattern.
NODE, FEATURE, EDGE = 1, 2, 3


def patterns_of_graphs(source: GraphSource, rows: RowNumbers) -> Found:
    """Find the patterns of some graphs; the items are their nodes.

    A pattern is a node's type and token, one of its features, or an edge's type with the nodes at its ends.

    Args:
        source: Where the graphs are.
        rows: Which of them, at least one.
    """
    batch = collate_graphs(source, rows)
    node_N = mixed(batch.node_type_N.numpy(), batch.node_token_N.numpy())
    patterns = [Patterns(hash_N=mixed(node_N, NODE), places=(np.arange(len(node_N)),))]
    for place, value_N in enumerate(batch.node_features_N4.numpy().T):
        known = np.flatnonzero(value_N)
        patterns.append(Patterns(hash_N=mixed(value_N[known], place, FEATURE), places=(known,)))
    # Reverse edges say nothing new.
    is_forward_E = batch.edge_type_E.numpy() < len(source.vocab.edge_types)
    source_E, target_E = batch.edge_index_2E.numpy()[:, is_forward_E]
    edge_E = mixed(node_N[source_E], node_N[target_E], batch.edge_type_E.numpy()[is_forward_E], EDGE)
    patterns.append(Patterns(hash_N=edge_E, places=(source_E, target_E)))
    return Found(patterns=patterns, function_T=batch.graph_of_node_N.numpy(), functions=len(rows))
