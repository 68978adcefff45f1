"""A graph that someone else made, as it was read and checked: the same whatever file it came from."""

# Shapes: N nodes and E edges of one function.
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainers.data.read.error_collector import ErrorCollector

# Other tools' names for our kinds of edge; every other kind keeps its own name, in lower case.
EDGE_KINDS = {
    "reaching_def": "dfg",
    "ddg": "dfg",
    "ncs": "next_token",
    "next": "next_token",
}
MAX_LISTED_EDGES = 5


@dataclass(frozen=True, kw_only=True)
class ImportedGraph:
    """One function's graph.

    Args:
        labels: Kind of each node, as named by the tool that made it.
        codes: Source text of each node, if known; else empty.
        tokens: What stands for a node that has no source text; else empty.
        source_E: Node that each edge leaves, int64.
        target_E: Node that each edge enters, int64.
        kinds: Kind of each edge.
    """

    labels: list[str]
    codes: list[str]
    tokens: list[str]
    source_E: NDArray[np.int64]
    target_E: NDArray[np.int64]
    kinds: list[str]


def edge_kind(name: str) -> str:
    """Return our name for a kind of edge."""
    lower = name.strip().lower()
    return EDGE_KINDS.get(lower, lower)


def check_range(place: str, edges_2E: NDArray[np.int64], nodes: int, problems: ErrorCollector) -> bool:
    """Return whether every edge joins two of the graph's nodes; note the first ones that do not.

    Args:
        place: Of the graph, for messages: file and line or id.
        edges_2E: Sources and targets, as numbers of nodes.
        nodes: How many nodes the graph has.
        problems: Takes the first edges that are wrong.
    """
    wrong_E = np.flatnonzero(((edges_2E < 0) | (edges_2E >= nodes)).any(axis=0))
    for edge in wrong_E[:MAX_LISTED_EDGES].tolist():
        problems.add(
            f"{place}, edge {edge}",
            found=f"{int(edges_2E[0, edge])} to {int(edges_2E[1, edge])}",
            expected=f"nodes from 0 to {nodes - 1}",
            fix="number the nodes of each graph from 0",
        )
    return not len(wrong_E)
