"""Graphs of functions: syntax, control flow, data flow, token order, and each name's last occurrence.

What needs the tree is found function by function and kept in one long column per property; what follows from the
columns alone is computed for many functions at once (edges.py and features.py).
"""

# Shapes: F functions and N nodes of all functions together, E edges, D declared names.
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from trainers.data.graphs.accesses import DECLARATIONS, DECLARATORS, INIT_DECLARATOR
from trainers.data.graphs.dataflow import data_flow, owners
from trainers.data.graphs.flow import FUNCTION, IDENTIFIER, STATEMENTS, control_flow
from trainers.data.graphs.grammar import Field, codes
from trainers.data.graphs.syntax import GraphQuality, StringTable, Syntax, SyntaxReader

EDGE_TYPES = ("ast", "cfg", "dfg", "next_token", "last_use")
AST, CFG, DFG, NEXT_TOKEN, LAST_USE = range(len(EDGE_TYPES))
FEATURES = ("api", "data_type", "literal", "operator")
API, DATA_TYPE, LITERAL, OPERATOR = range(len(FEATURES))

TYPES = codes("primitive_type", "type_identifier", "sized_type_specifier")
TAGGED_TYPES = codes("struct_specifier", "union_specifier", "enum_specifier", "class_specifier")
POINTER_DECLARATOR = codes("pointer_declarator")
ARRAY_DECLARATOR = codes("array_declarator")
NO_OPERATOR = -1
_UNDERSTOOD = FUNCTION | STATEMENTS - codes("ERROR")


# Two numbers in one, so that a list of pairs is a flat list.
_LOW_BITS = 32


@dataclass(kw_only=True)
class _Lists:
    """What grows while functions are read: `parent` and `owner` count nodes within their function, the rest all nodes.

    `flow` and `values` hold pairs of nodes, `declared` has the type by function and name.
    """

    nodes: list[int] = field(default_factory=list)
    quality: list[GraphQuality] = field(default_factory=list)
    truncated: int = 0
    code: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    text: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    operator: dict[int, int] = field(default_factory=dict)
    flow: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    declared: dict[int, int] = field(default_factory=dict)

    def add(self, syntax: Syntax) -> None:
        """Add one function."""
        flow = control_flow(syntax)
        owner = owners(syntax, flow)
        values = data_flow(syntax, flow, owner)
        function, first = len(self.nodes), len(self.code)
        self.nodes.append(len(syntax.code))
        self.quality.append(_quality(syntax, has_values=values is not None))
        self.truncated += syntax.truncated
        self.code += syntax.code
        self.parent += syntax.parent
        self.text += syntax.text
        self.owner += owner
        self.operator.update((first + node, operator) for node, operator in syntax.operator.items())
        self.flow += [first + before << _LOW_BITS | first + after for before, after in flow.edges]
        self.values += [first + node << _LOW_BITS | first + use for node, use in values or ()]
        for name, kind in _declared_types(syntax):
            self.declared.setdefault(function << _LOW_BITS | name, kind)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Many functions' syntax and flow, one after another; nodes are numbered through all of them.

    Args:
        nodes_F: Nodes of each function.
        quality_F: How much of each was understood.
        truncated: Functions that were cut off.
        first_F: The first node of each function, its root.
        function_N: Which function each node belongs to.
        code_N: Its kind, place in KINDS.
        parent_N: Its parent; the node itself for a root.
        text_N: Number of its text in `table`.
        operator_N: Its operator, place in OPERATORS, or -1.
        declared_N: Number of the type that its text is declared with in its function, or 0.
        owner_N: The statement that owns it.
        flow_E2: Pairs of statements that may run one after the other, sorted.
        values_E2: Pairs of a definition and a use that it reaches, sorted.
    """

    nodes_F: np.ndarray
    quality_F: np.ndarray
    truncated: int
    first_F: np.ndarray
    function_N: np.ndarray
    code_N: np.ndarray
    parent_N: np.ndarray
    text_N: np.ndarray
    operator_N: np.ndarray
    declared_N: np.ndarray
    owner_N: np.ndarray
    flow_E2: np.ndarray
    values_E2: np.ndarray
    table: StringTable


def read_columns(sources: Sequence[str], max_nodes: int) -> Columns:
    """Read functions; one that does not parse keeps the parts that do.

    Args:
        max_nodes: Nodes kept per function, in source order.
    """
    table = StringTable()
    reader = SyntaxReader(max_nodes, table)
    lists = _Lists()
    for source in sources:
        lists.add(reader.read(source.encode()))
    return _columns(lists, table)


def _array(values: Collection[int]) -> np.ndarray:
    return np.fromiter(values, dtype=np.int64, count=len(values))


def _columns(lists: _Lists, table: StringTable) -> Columns:
    nodes_F = _array(lists.nodes)
    first_F = np.cumsum(nodes_F) - nodes_F
    function_N = np.repeat(np.arange(len(nodes_F)), nodes_F)
    first_N = first_F[function_N]
    parent_N, text_N = _array(lists.parent), _array(lists.text)
    operator_N = np.full(len(function_N), NO_OPERATOR)
    operator_N[_array(lists.operator.keys())] = _array(lists.operator.values())
    return Columns(
        nodes_F=nodes_F,
        quality_F=np.array(lists.quality, dtype=np.int8),
        truncated=lists.truncated,
        first_F=first_F,
        function_N=function_N,
        code_N=np.fromiter(lists.code, dtype=np.int16, count=len(lists.code)),
        parent_N=np.where(parent_N < 0, 0, parent_N) + first_N,
        text_N=text_N,
        operator_N=operator_N,
        declared_N=_looked_up(lists.declared, function_N << _LOW_BITS | text_N),
        owner_N=_array(lists.owner) + first_N,
        flow_E2=_pairs(lists.flow),
        values_E2=_pairs(lists.values),
        table=table,
    )


def _pairs(packed: list[int]) -> np.ndarray:
    """Sort pairs, leave out repetitions and take them apart."""
    packed_E = np.unique(_array(packed))
    return np.stack([packed_E >> _LOW_BITS, packed_E & (1 << _LOW_BITS) - 1], axis=1)


def _looked_up(values: dict[int, int], keys_N: np.ndarray) -> np.ndarray:
    """Return the value of each key, 0 where there is none."""
    if not values:
        return np.zeros_like(keys_N)
    known_D = _array(values.keys())
    order_D = np.argsort(known_D)
    place_N = order_D[np.minimum(np.searchsorted(known_D, keys_N, sorter=order_D), len(known_D) - 1)]
    return np.where(known_D[place_N] == keys_N, _array(values.values())[place_N], 0)


def _quality(syntax: Syntax, *, has_values: bool) -> GraphQuality:
    if not syntax.errors:
        return GraphQuality.PARSED if has_values else GraphQuality.PARTIAL
    return GraphQuality.PARTIAL if any(kind in _UNDERSTOOD for kind in syntax.code) else GraphQuality.TOKEN_CHAIN


def _declared_types(syntax: Syntax) -> Iterator[tuple[int, int]]:
    """Yield each declared name and its type, with `*` for each pointer and `[]` for each array level."""
    fields, stop = syntax.field, syntax.stop
    for node, kind in enumerate(syntax.code):
        if kind not in DECLARATIONS:
            continue
        base = b""
        child = node + 1
        while child < stop[node]:
            if fields[child] == Field.TYPE:
                base = base or _type_name(syntax, child)
            child = stop[child]
        if not base:
            continue
        for child in syntax.children(node):
            if fields[child] == Field.DECLARATOR:
                suffix, name = _declarator(syntax, child)
                if name is not None:
                    yield name, syntax.table[base + suffix]


def _type_name(syntax: Syntax, node: int) -> bytes:
    if syntax.code[node] in TYPES:
        return b" ".join(syntax.word(node).split())
    if syntax.code[node] in TAGGED_TYPES:
        name = next((c for c in syntax.children(node) if syntax.field[c] == Field.NAME), None)
        return syntax.word(name) if name is not None else b""
    return b""


def _declarator(syntax: Syntax, node: int) -> tuple[bytes, int | None]:
    suffix: list[bytes] = []
    code, fields = syntax.code, syntax.field
    while code[node] in _DECLARING:
        if code[node] in POINTER_DECLARATOR:
            suffix.append(b"*")
        elif code[node] in ARRAY_DECLARATOR:
            suffix.append(b"[]")
        inner = next((c for c in syntax.children(node) if fields[c] in (Field.DECLARATOR, Field.NONE)), None)
        if inner is None:
            return b"".join(suffix), None
        node = inner
    return b"".join(suffix), syntax.text[node] if code[node] in IDENTIFIER else None


_DECLARING = DECLARATORS | INIT_DECLARATOR
