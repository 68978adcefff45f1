"""A function's syntax as flat lists: everything after this step works without the parser."""

from dataclasses import dataclass
from enum import IntEnum

from tree_sitter import Node, Parser, Tree, TreeCursor

from trainers.data.graphs.grammar import (
    EXPRESSIONS_WITH_OPERATOR,
    FIRST_OPERATOR,
    KINDS,
    LANGUAGES,
    LEAF_KINDS,
    TRANSPARENT,
    WORDED_KINDS,
    Grammar,
    Tables,
    tables_of,
)

NO_PARENT = -1
# A member access inside of member accesses repeats their text: beyond this length it is no variable of its own.
MAX_MEMBER_BYTES = 256
_IS_LEAF = [kind in LEAF_KINDS for kind in range(len(KINDS))]
_IS_WORDED = [kind in WORDED_KINDS for kind in range(len(KINDS))]
_HAS_OPERATOR = [kind in EXPRESSIONS_WITH_OPERATOR for kind in range(len(KINDS))]


class GraphQuality(IntEnum):
    """How much of a function the parser understood; imported graphs were made by someone else."""

    PARSED = 0
    PARTIAL = 1
    TOKEN_CHAIN = 2
    READY = 3


class StringTable(dict[bytes, int]):
    """The number of each string, in order of first appearance; asking for a new one numbers it. 0 is the empty string.

    A dictionary that fills itself, because every node needs it: a known one costs a plain look-up.
    """

    def __init__(self) -> None:
        super().__init__({b"": 0})
        self.words = [b""]

    def __missing__(self, word: bytes) -> int:
        number = self[word] = len(self.words)
        self.words.append(word)
        return number


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """The kept nodes of a syntax tree in source order; node 0 is the root.

    Every list has one entry per node: `code` (place in KINDS), `parent`, `field` (of the parent), `text` (number in
    `table` of a name, literal, type or member; 0 for the rest), `stop` (one past the last node of the subtree).
    `operator` has the expressions with one: their places in OPERATORS.
    """

    code: list[int]
    parent: list[int]
    field: list[int]
    text: list[int]
    stop: list[int]
    operator: dict[int, int]
    table: StringTable
    errors: int
    truncated: bool

    def word(self, node: int) -> bytes:
        """Return a node's text."""
        return self.table.words[self.text[node]]

    def children(self, node: int) -> list[int]:
        """Return a node's children in source order."""
        found = []
        child, stop = node + 1, self.stop[node]
        while child < stop:
            found.append(child)
            child = self.stop[child]
        return found


def count_errors(root: Node) -> int:
    """Return how many places of a tree the parser did not understand."""
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
        table: Takes the strings of every function.
    """

    def __init__(self, max_nodes: int, table: StringTable) -> None:
        self._c, self._cpp = tables_of(Grammar.C), tables_of(Grammar.CPP)
        self._c_parser, self._cpp_parser = Parser(LANGUAGES[Grammar.C]), Parser(LANGUAGES[Grammar.CPP])
        self._max_nodes = max_nodes
        self._table = table

    def read(self, source: bytes, spans: list[tuple[int, int]] | None = None) -> Syntax:
        """Return the syntax of one function, by the grammar that leaves fewer errors; C wins a tie.

        Args:
            spans: Takes where each node starts and ends in the source, for those who show the function.
        """
        tree, tables = self._c_parser.parse(source), self._c
        errors = count_errors(tree.root_node)
        if errors:
            other = self._cpp_parser.parse(source)
            other_errors = count_errors(other.root_node)
            if other_errors < errors:
                tree, tables, errors = other, self._cpp, other_errors
        return self._flatten(source, tree, tables, errors, spans)

    def _flatten(
        self, source: bytes, tree: Tree, tables: Tables, errors: int, spans: list[tuple[int, int]] | None
    ) -> Syntax:
        """Walk the tree once, without recursion: its depth is the input's to choose.

        Every token of the source comes by here, hence the bound methods and the tables in place of sets.
        """
        code_of_kind, field_of_id = tables.code_of_kind, tables.field_of_id
        table, max_nodes = self._table, self._max_nodes
        code: list[int] = []
        parents: list[int] = []
        fields: list[int] = []
        text: list[int] = []
        stop: list[int] = []
        operator: dict[int, int] = {}
        add_code, add_parent, add_field = code.append, parents.append, fields.append
        add_text, add_stop = text.append, stop.append
        ancestors: list[tuple[int, int]] = []
        parent, inherited, count = NO_PARENT, 0, 0
        truncated = False
        cursor: TreeCursor = tree.walk()
        down, right, up = cursor.goto_first_child, cursor.goto_next_sibling, cursor.goto_parent
        while True:
            node: Node = cursor.node  # type: ignore[assignment]  # a cursor inside a tree has a node
            kind = code_of_kind[node.kind_id]
            if kind >= 0:
                if count == max_nodes:
                    truncated = True
                    break
                if spans is not None:
                    spans.append((node.start_byte, node.end_byte))
                count += 1
                add_code(kind)
                add_parent(parent)
                add_field(inherited or field_of_id[cursor.field_id])
                add_stop(count)
                if _IS_LEAF[kind]:
                    add_text(table[source[node.start_byte : node.end_byte]] if _IS_WORDED[kind] else 0)
                else:
                    is_worded = _IS_WORDED[kind] and node.end_byte - node.start_byte <= MAX_MEMBER_BYTES
                    add_text(table[source[node.start_byte : node.end_byte]] if is_worded else 0)
                    if down():
                        ancestors.append((parent, inherited))
                        parent, inherited = count - 1, 0
                        continue
            elif kind == TRANSPARENT:
                handed_down = inherited or field_of_id[cursor.field_id]
                if down():
                    ancestors.append((parent, inherited))
                    inherited = handed_down
                    continue
            elif kind <= FIRST_OPERATOR and parent >= 0 and _HAS_OPERATOR[code[parent]]:
                operator[parent] = FIRST_OPERATOR - kind
            while ancestors and not right():
                up()
                if parent >= 0:
                    stop[parent] = count
                parent, inherited = ancestors.pop()
            if not ancestors:
                break
        for ancestor, _ in [*ancestors, (parent, 0)]:
            if ancestor >= 0:
                stop[ancestor] = count
        return Syntax(
            code=code,
            parent=parents,
            field=fields,
            text=text,
            stop=stop,
            operator=operator,
            table=table,
            errors=errors,
            truncated=truncated,
        )
