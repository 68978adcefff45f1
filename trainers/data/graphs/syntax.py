"""A function's syntax as flat lists: everything after this step works without the parser."""

from dataclasses import dataclass
from enum import IntEnum

from tree_sitter import Node, Tree, TreeCursor

from trainers.data.graphs.grammar import (
    EXPRESSIONS_WITH_OPERATOR,
    FIRST_OPERATOR,
    LEAF_KINDS,
    TRANSPARENT,
    WORDED_KINDS,
    Grammar,
    Tables,
    tables_of,
)

NO_OPERATOR = -1
NO_PARENT = -1


class GraphQuality(IntEnum):
    """How much of a function the parser understood."""

    PARSED = 0
    PARTIAL = 1
    TOKEN_CHAIN = 2


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """The kept nodes of a syntax tree in source order; node 0 is the root.

    Every list has one entry per node: `code` (place in KINDS), `parent`, `field` (of the parent), `text` (of names,
    literals, types and members; empty for the rest), `stop` (one past the last node of the subtree), `operator`
    (place in OPERATORS, or -1).
    """

    code: list[int]
    parent: list[int]
    field: list[int]
    text: list[bytes]
    stop: list[int]
    operator: list[int]
    errors: int
    truncated: bool

    def children(self, node: int) -> list[int]:
        """Return a node's children in source order."""
        found = []
        child, stop = node + 1, self.stop[node]
        while child < stop:
            found.append(child)
            child = self.stop[child]
        return found


def _count_errors(root: Node) -> int:
    if not root.has_error:
        return 0
    count, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        count += node.is_error or node.is_missing
        waiting.extend(child for child in node.children if child.has_error or child.is_missing)
    return count


class SyntaxReader:
    """Parses functions as C, and as C++ where C leaves errors.

    Args:
        max_nodes: Nodes kept per function, in source order; the rest is cut off.
    """

    def __init__(self, max_nodes: int) -> None:
        self._c = tables_of(Grammar.C)
        self._cpp = tables_of(Grammar.CPP)
        self._max_nodes = max_nodes

    def read(self, source: bytes) -> Syntax:
        """Return the syntax of one function, by the grammar that leaves fewer errors; C wins a tie."""
        tree, tables = self._c.parser.parse(source), self._c
        errors = _count_errors(tree.root_node)
        if errors:
            other = self._cpp.parser.parse(source)
            other_errors = _count_errors(other.root_node)
            if other_errors < errors:
                tree, tables, errors = other, self._cpp, other_errors
        return _flatten(source, tree, tables, errors, self._max_nodes)


def _flatten(source: bytes, tree: Tree, tables: Tables, errors: int, max_nodes: int) -> Syntax:
    """Walk the tree once, without recursion: its depth is the input's to choose."""
    code_of_kind, field_of_id = tables.code_of_kind, tables.field_of_id
    leaf_kinds, worded_kinds = LEAF_KINDS, WORDED_KINDS
    code: list[int] = []
    parents: list[int] = []
    fields: list[int] = []
    text: list[bytes] = []
    stop: list[int] = []
    operator: list[int] = []
    ancestors: list[tuple[int, int]] = []
    parent, inherited = NO_PARENT, 0
    truncated = False
    cursor: TreeCursor = tree.walk()
    while True:
        node = cursor.node
        kind = code_of_kind[node.kind_id]  # type: ignore[union-attr]  # a cursor inside a tree has a node
        below, below_inherited, descend = parent, inherited, False
        if kind >= 0:
            below = len(code)
            if below == max_nodes:
                truncated = True
                break
            code.append(kind)
            parents.append(parent)
            fields.append(inherited or field_of_id[cursor.field_id or 0])
            stop.append(below + 1)
            operator.append(NO_OPERATOR)
            below_inherited, descend = 0, kind not in leaf_kinds
            worded = kind in worded_kinds
            text.append(source[node.start_byte : node.end_byte] if worded else b"")  # type: ignore[union-attr]
        elif kind == TRANSPARENT:
            below_inherited, descend = inherited or field_of_id[cursor.field_id or 0], True
        elif kind <= FIRST_OPERATOR and parent >= 0 and code[parent] in EXPRESSIONS_WITH_OPERATOR:
            operator[parent] = FIRST_OPERATOR - kind
        if descend and cursor.goto_first_child():
            ancestors.append((parent, inherited))
            parent, inherited = below, below_inherited
            continue
        while ancestors and not cursor.goto_next_sibling():
            cursor.goto_parent()
            if parent >= 0:
                stop[parent] = len(code)
            parent, inherited = ancestors.pop()
        if not ancestors:
            break
    for ancestor, _ in [*ancestors, (parent, 0)]:
        if ancestor >= 0:
            stop[ancestor] = len(code)
    return Syntax(
        code=code,
        parent=parents,
        field=fields,
        text=text,
        stop=stop,
        operator=operator,
        errors=errors,
        truncated=truncated,
    )
