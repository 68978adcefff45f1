"""A function's graph: syntax, control flow, data flow, token order, and each name's last occurrence."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from trainers.data.graphs.dataflow import (
    DECLARATIONS,
    DECLARATORS,
    INIT_DECLARATOR,
    MEMBER,
    data_flow,
    owners,
)
from trainers.data.graphs.flow import CALL, FUNCTION, IDENTIFIER, STATEMENTS, control_flow
from trainers.data.graphs.grammar import OPERATORS, Field, codes
from trainers.data.graphs.syntax import NO_OPERATOR, GraphQuality, Syntax, SyntaxReader

EDGE_TYPES = ("ast", "cfg", "dfg", "next_token", "last_use")
AST, CFG, DFG, NEXT_TOKEN, LAST_USE = range(len(EDGE_TYPES))
FEATURES = ("api", "data_type", "literal", "operator")
API, DATA_TYPE, LITERAL, OPERATOR = range(len(FEATURES))
Features = tuple[list[int], list[int], list[int], list[int]]

STRINGS = codes("string_literal", "raw_string_literal", "concatenated_string")
LITERALS = STRINGS | codes("number_literal", "char_literal", "true", "false", "null")
TYPES = codes("primitive_type", "type_identifier", "sized_type_specifier")
TAGGED_TYPES = codes("struct_specifier", "union_specifier", "enum_specifier", "class_specifier")
POINTER_DECLARATOR = codes("pointer_declarator")
ARRAY_DECLARATOR = codes("array_declarator")
_OPERATOR_BYTES = tuple(operator.encode() for operator in OPERATORS)


class StringTable:
    """Numbers for strings, in order of first appearance; 0 is the empty string."""

    def __init__(self) -> None:
        self._number: dict[bytes, int] = {b"": 0}

    def number(self, string: bytes) -> int:
        """Return the string's number, a new one when it was never seen."""
        return self._number.setdefault(string, len(self._number))

    def numbers(self, strings: Sequence[bytes]) -> list[int]:
        """Return the numbers of many strings."""
        number = self._number
        return [number.setdefault(string, len(number)) if string else 0 for string in strings]

    def strings(self) -> list[bytes]:
        """Return every string, by number."""
        return list(self._number)


@dataclass(frozen=True, kw_only=True)
class RawGraph:
    """A graph before vocabularies: strings are numbers in a table, kinds are places in KINDS.

    Per node: `kind`, `token`, `features` (four strings, as FEATURES), `statement` (node that owns it).
    Per edge: `source`, `target`, `edge_type`, sorted by type, then source, then target.
    """

    kind: list[int]
    token: list[int]
    features: Features
    statement: list[int]
    source: list[int]
    target: list[int]
    edge_type: list[int]
    quality: GraphQuality
    truncated: bool


class GraphBuilder:
    """Builds graphs; strings of all its graphs share one table.

    Args:
        max_nodes: Nodes kept per function, in source order.
    """

    def __init__(self, *, max_nodes: int) -> None:
        self._reader = SyntaxReader(max_nodes)
        self.table = StringTable()

    def build(self, source: str) -> RawGraph:
        """Return the graph of one function; one that does not parse keeps what was understood of it."""
        syntax = self._reader.read(source.encode())
        flow = control_flow(syntax)
        owner = owners(syntax, flow)
        leaves = _leaves(syntax)
        tree = (syntax.parent[1:], list(range(1, len(syntax.parent))))
        chain = (leaves[:-1], leaves[1:])
        edges = (
            tree,
            _columns(flow.edges),
            _columns(data_flow(syntax, flow, owner)),
            chain,
            _columns(_last_uses(syntax)),
        )
        return RawGraph(
            kind=syntax.code,
            token=self._tokens(syntax),
            features=self._features(syntax, owner),
            statement=owner,
            source=[*itertools.chain.from_iterable(source for source, _ in edges)],
            target=[*itertools.chain.from_iterable(target for _, target in edges)],
            edge_type=[*itertools.chain.from_iterable([kind] * len(ends) for kind, (ends, _) in enumerate(edges))],
            quality=_quality(syntax),
            truncated=syntax.truncated,
        )

    def _tokens(self, syntax: Syntax) -> list[int]:
        words = [
            _OPERATOR_BYTES[operator] if operator != NO_OPERATOR else b"" if kind in MEMBER else text
            for operator, kind, text in zip(syntax.operator, syntax.code, syntax.text, strict=True)
        ]
        return self.table.numbers(words)

    def _features(self, syntax: Syntax, owner: list[int]) -> Features:
        """Compute the four features of each node; a statement without its own takes the first found inside it.

        Source:
            Steenhoek, Gao, Le: DeepDFA, ICSE 2024, arXiv 2212.08108, section 3.1 (abstract dataflow features).
        """
        api, data_type, literal, operator = ([0] * len(syntax.code) for _ in FEATURES)
        number = self.table.number
        declared = _declared_types(syntax)
        text = syntax.text
        for node, kind in enumerate(syntax.code):
            if kind in IDENTIFIER:
                if text[node] not in declared:
                    continue
                feature, word = data_type, declared[text[node]]
            elif syntax.operator[node] != NO_OPERATOR:
                feature, word = operator, _OPERATOR_BYTES[syntax.operator[node]]
            elif kind in LITERALS:
                feature, word = literal, b'""' if kind in STRINGS else text[node]
            elif kind in CALL and syntax.stop[node] > node + 1 and syntax.code[node + 1] in IDENTIFIER:
                feature, word = api, text[node + 1]
            else:
                continue
            feature[node] = number(word)
            feature[owner[node]] = feature[owner[node]] or feature[node]
        return api, data_type, literal, operator


def _columns(edges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [source for source, _ in edges], [target for _, target in edges]


def _leaves(syntax: Syntax) -> list[int]:
    return [node for node, stop in enumerate(syntax.stop) if stop == node + 1 and syntax.parent[node] >= 0]


def _last_uses(syntax: Syntax) -> list[tuple[int, int]]:
    """Connect each identifier with the occurrence of the same name before it."""
    last: dict[bytes, int] = {}
    edges = []
    for node, kind in enumerate(syntax.code):
        if kind in IDENTIFIER:
            name = syntax.text[node]
            if name in last:
                edges.append((node, last[name]))
            last[name] = node
    return edges


def _quality(syntax: Syntax) -> GraphQuality:
    if not syntax.errors:
        return GraphQuality.PARSED
    understood = FUNCTION | STATEMENTS - codes("ERROR")
    return GraphQuality.PARTIAL if any(kind in understood for kind in syntax.code) else GraphQuality.TOKEN_CHAIN


def _type_name(syntax: Syntax, node: int) -> bytes:
    if syntax.code[node] in TYPES:
        return b" ".join(syntax.text[node].split())
    if syntax.code[node] in TAGGED_TYPES:
        name = next((c for c in syntax.children(node) if syntax.field[c] == Field.NAME), None)
        return syntax.text[name] if name is not None else b""
    return b""


def _declared_types(syntax: Syntax) -> dict[bytes, bytes]:
    """Return the type of each declared variable, with `*` for each pointer and `[]` for each array level."""
    found: dict[bytes, bytes] = {}
    for node, kind in enumerate(syntax.code):
        if kind not in DECLARATIONS:
            continue
        children = syntax.children(node)
        base = next((_type_name(syntax, c) for c in children if syntax.field[c] == Field.TYPE), b"")
        if not base:
            continue
        for child in children:
            if syntax.field[child] == Field.DECLARATOR:
                suffix, name = _declarator(syntax, child)
                if name is not None:
                    found.setdefault(name, base + suffix)
    return found


def _declarator(syntax: Syntax, node: int) -> tuple[bytes, bytes | None]:
    suffix = b""
    while syntax.code[node] in DECLARATORS | INIT_DECLARATOR:
        if syntax.code[node] in POINTER_DECLARATOR:
            suffix += b"*"
        elif syntax.code[node] in ARRAY_DECLARATOR:
            suffix += b"[]"
        inner = next((c for c in syntax.children(node) if syntax.field[c] in (Field.DECLARATOR, Field.NONE)), None)
        if inner is None:
            return suffix, None
        node = inner
    return suffix, syntax.text[node] if syntax.code[node] in IDENTIFIER else None
