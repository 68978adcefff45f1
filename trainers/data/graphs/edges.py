"""The edges of many functions at once, from their columns."""

# Shapes: F functions, N nodes, E edges.
import numpy as np

from trainers.data.graphs.build import Columns
from trainers.data.graphs.flow import IDENTIFIER


def edges_of(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return edge counts per function, then sources, targets and types; nodes are numbered within their function.

    Edges are sorted by function, then type, then place in the source; none is there twice.
    """
    by_type = (
        _syntax(columns),
        columns.flow_E2,
        columns.values_E2,
        _token_order(columns),
        _last_uses(columns),
    )
    pairs_E2 = np.concatenate(by_type)
    type_E = np.repeat(np.arange(len(by_type)), [len(pairs) for pairs in by_type])
    function_E = columns.function_N[pairs_E2[:, 0]]
    order_E = np.argsort(function_E * len(by_type) + type_E, kind="stable")
    local_E2 = (pairs_E2 - columns.first_F[function_E][:, None])[order_E]
    counts_F = np.bincount(function_E, minlength=len(columns.nodes_F))
    return counts_F, local_E2[:, 0], local_E2[:, 1], type_E[order_E]


def _syntax(columns: Columns) -> np.ndarray:
    child_E = np.delete(np.arange(len(columns.parent_N)), columns.first_F)
    return np.stack([columns.parent_N[child_E], child_E], axis=1)


def _token_order(columns: Columns) -> np.ndarray:
    """Connect each leaf with the next one of its function."""
    # A root is its own parent, so it never counts as a leaf.
    is_leaf_N = np.ones(len(columns.parent_N), dtype=bool)
    is_leaf_N[columns.parent_N] = False
    return _consecutive(np.flatnonzero(is_leaf_N), columns.function_N)


def _consecutive(nodes_K: np.ndarray, group_N: np.ndarray) -> np.ndarray:
    pairs_E2 = np.stack([nodes_K[:-1], nodes_K[1:]], axis=1)
    same_group_E2: np.ndarray = pairs_E2[group_N[nodes_K[:-1]] == group_N[nodes_K[1:]]]
    return same_group_E2


def _last_uses(columns: Columns) -> np.ndarray:
    """Connect each identifier with the occurrence of the same name before it in its function."""
    names_K = np.flatnonzero(np.isin(columns.code_N, list(IDENTIFIER)))
    same_name_N = columns.function_N * len(columns.table) + columns.text_N
    by_name_K = names_K[np.argsort(same_name_N[names_K], kind="stable")]
    backwards_E2 = _consecutive(by_name_K, same_name_N)[:, ::-1]
    return backwards_E2[np.argsort(backwards_E2[:, 0])]
