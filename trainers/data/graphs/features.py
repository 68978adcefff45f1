"""The tokens, features and edges of many functions at once, from their columns."""

# Shapes: F functions, N nodes, E edges, S strings.
import numpy as np

from trainers.data.graphs.accesses import MEMBER
from trainers.data.graphs.build import API, DATA_TYPE, FEATURES, LITERAL, OPERATOR, Columns
from trainers.data.graphs.flow import CALL, IDENTIFIER
from trainers.data.graphs.grammar import KINDS, OPERATORS, codes

STRINGS = codes("string_literal", "raw_string_literal", "concatenated_string")
LITERALS = STRINGS | codes("number_literal", "char_literal", "true", "false", "null")


def _one_of(kinds: frozenset[int]) -> np.ndarray:
    """Return for each place in KINDS whether it is one of these."""
    return np.isin(np.arange(len(KINDS)), list(kinds))


def node_tokens(columns: Columns) -> np.ndarray:
    """Return the string number of each node's token: its operator, or its text; a member's is its parts'."""
    text_N = np.where(_one_of(MEMBER)[columns.code_N], 0, columns.text_N)
    return np.where(columns.operator_N >= 0, _operator_words(columns), text_N)


def _operator_words(columns: Columns) -> np.ndarray:
    """Return the string number of each node's operator, that of the empty string without one."""
    number_of_operator = np.zeros(len(OPERATORS) + 1, dtype=np.int64)
    present = np.unique(columns.operator_N[columns.operator_N >= 0]).tolist()
    number_of_operator[present] = [columns.table[OPERATORS[operator].encode()] for operator in present]
    # -1, no operator, is the last place.
    number_N: np.ndarray = number_of_operator[columns.operator_N]
    return number_N


def node_features(columns: Columns) -> np.ndarray:
    """Return the four features of each node (N, 4); a statement without its own takes the first found inside it.

    Source:
        Steenhoek, Gao, Le: DeepDFA, ICSE 2024, arXiv 2212.08108, section 3.1 (abstract dataflow features).
    """
    code_N = columns.code_N
    features_N4 = np.zeros((len(code_N), len(FEATURES)), dtype=np.int64)
    features_N4[:, API] = _called(columns)
    features_N4[:, DATA_TYPE] = np.where(_one_of(IDENTIFIER)[code_N], columns.declared_N, 0)
    words_N = np.where(_one_of(STRINGS)[code_N], columns.table[b'""'], columns.text_N)
    features_N4[:, LITERAL] = np.where(_one_of(LITERALS)[code_N], words_N, 0)
    features_N4[:, OPERATOR] = _operator_words(columns)
    for feature in range(len(FEATURES)):
        _give_to_statements(features_N4[:, feature], columns.owner_N)
    return features_N4


def _called(columns: Columns) -> np.ndarray:
    """Return for each call the name of the function, 0 for every other node."""
    called_N = np.zeros(len(columns.code_N), dtype=np.int64)
    by_name_K = np.flatnonzero(_one_of(IDENTIFIER)[columns.code_N])
    by_name_K = by_name_K[columns.parent_N[by_name_K] == by_name_K - 1]
    by_name_K = by_name_K[_one_of(CALL)[columns.code_N[by_name_K - 1]]]
    called_N[by_name_K - 1] = columns.text_N[by_name_K]
    return called_N


def _give_to_statements(feature_N: np.ndarray, owner_N: np.ndarray) -> None:
    """Give each statement without a value the first value inside it, in place."""
    given_K, owner_K = np.flatnonzero(feature_N), owner_N[np.flatnonzero(feature_N)]
    statement_K, first_K = np.unique(owner_K, return_index=True)
    without_K = feature_N[statement_K] == 0
    feature_N[statement_K[without_K]] = feature_N[given_K[first_K[without_K]]]


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
