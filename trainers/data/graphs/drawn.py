"""The graph of one function for pages: the nodes and edges that models see, each node with its place in the source.

For a process without numpy: what `encoding.build_chunk` computes for many functions at once is here computed for one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from trainers.data.graphs.dataflow import data_flow, owners
from trainers.data.graphs.flow import IDENTIFIER, control_flow
from trainers.data.graphs.grammar import KINDS
from trainers.data.graphs.syntax import StringTable, Syntax, SyntaxReader

Edge = tuple[str, int, int]  # kind, from, to


@dataclass(frozen=True, kw_only=True)
class DrawnNode:
    """A node and where it stands.

    Args:
        kind: Of syntax.
        start_line: From 1.
        end_line: Of its last character.
        start: Place of its first character in the source, counted in code points.
        end: Place after its last one.
    """

    kind: str
    start_line: int
    end_line: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class DrawnGraph:
    """A function's graph.

    Args:
        nodes: In source order; the first is the root.
        edges: By kind, then by place in the source; none is there twice.
        truncated: Whether nodes at the function's end are left out.
    """

    nodes: list[DrawnNode]
    edges: list[Edge]
    truncated: bool


def drawn_graph(source: str, *, max_nodes: int) -> DrawnGraph:
    """Return the graph of a function.

    Args:
        source: As prepare has normalised it.
        max_nodes: Nodes at most, in source order.
    """
    spans: list[tuple[int, int]] = []
    encoded = source.encode()
    syntax = SyntaxReader(max_nodes, StringTable()).read(encoded, spans)
    places = _Places(source, encoded)
    nodes = [
        DrawnNode(
            kind=KINDS[kind],
            start_line=places.line(start),
            end_line=places.line(max(start, end - 1)),
            start=places.character(start),
            end=places.character(end),
        )
        for kind, (start, end) in zip(syntax.code, spans, strict=True)
    ]
    return DrawnGraph(nodes=nodes, edges=list(_edges(syntax)), truncated=syntax.truncated)


def _edges(syntax: Syntax) -> Iterator[Edge]:
    flow = control_flow(syntax)
    values = data_flow(syntax, flow, owners(syntax, flow)) or ()
    parents = set(syntax.parent)
    leaves = [node for node in range(1, len(syntax.code)) if node not in parents]
    yield from (("ast", syntax.parent[node], node) for node in range(1, len(syntax.code)))
    yield from (("cfg", before, after) for before, after in sorted(set(flow.edges)))
    yield from (("dfg", definition, use) for definition, use in sorted(set(values)))
    yield from (("next_token", leaf, following) for leaf, following in pairwise(leaves))
    yield from (("last_use", node, before) for node, before in _last_uses(syntax))


def _last_uses(syntax: Syntax) -> Iterator[tuple[int, int]]:
    last: dict[int, int] = {}
    for node, kind in enumerate(syntax.code):
        if kind in IDENTIFIER:
            name = syntax.text[node]
            if name in last:
                yield node, last[name]
            last[name] = node


class _Places:
    """Lines and characters of a source's bytes."""

    def __init__(self, source: str, encoded: bytes) -> None:
        self._lines = [0]
        at = encoded.find(b"\n")
        while at >= 0:
            self._lines.append(at + 1)
            at = encoded.find(b"\n", at + 1)
        # Of characters of several bytes, all but the first.
        inner = () if len(source) == len(encoded) else enumerate(encoded)
        self._inner = [place for place, byte in inner if byte & 0xC0 == 0x80]

    def line(self, byte: int) -> int:
        """Return the line of a byte, from 1."""
        return bisect_right(self._lines, byte)

    def character(self, byte: int) -> int:
        """Return the place of the character that begins at a byte."""
        return byte - bisect_left(self._inner, byte)
