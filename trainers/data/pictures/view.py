"""A function's graph for people: its nodes in words, and where each stands in the source."""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from trainers.data.encoding import build_chunk, quality_names
from trainers.data.graphs.accesses import MEMBER
from trainers.data.graphs.build import EDGE_TYPES, FEATURES
from trainers.data.graphs.dataflow import data_flow, owners
from trainers.data.graphs.flow import CONTAINERS, DO, STATEMENTS, control_flow
from trainers.data.graphs.grammar import KINDS, Field
from trainers.data.graphs.syntax import StringTable, Syntax, SyntaxReader
from trainers.data.read.row import normalise

MAX_NODES = 2_000


@dataclass(frozen=True, kw_only=True)
class View:
    """One function with its flow.

    Args:
        source: Its text, as prepare reads it, in UTF-8.
        spans: For each node where it starts and ends in the source.
        statements: The nodes that are steps of its control flow, in source order.
        owner: For each node the statement that owns it.
        flow: Pairs of statements that may run one after the other, sorted.
        values: Pairs of a definition and a use that it reaches, sorted.
    """

    source: bytes
    syntax: Syntax
    spans: list[tuple[int, int]]
    statements: list[int]
    owner: list[int]
    flow: list[tuple[int, int]]
    values: list[tuple[int, int]]

    def variable(self, leaf: int) -> str:
        """Return the name of the variable that a leaf stands for: a member's with what it hangs on."""
        parent = self.syntax.parent[leaf]
        whole = parent if KINDS[self.syntax.code[leaf]] == "field_identifier" and self._is_member(parent) else leaf
        return self._words(*self.spans[whole])

    def _is_member(self, node: int) -> bool:
        return self.syntax.code[node] in MEMBER

    def line(self, node: int) -> int:
        """Return the line on which a node starts, from 1."""
        return bisect_left(self._line_ends, self.spans[node][0]) + 1

    @cached_property
    def _line_ends(self) -> list[int]:
        return [place for place, byte in enumerate(self.source) if byte == ord("\n")]

    def text(self, statement: int) -> str:
        """Return a statement's text on one line, without the statements inside it."""
        start, end = self.spans[statement]
        inside = next((c for c in self.syntax.children(statement) if self._is_body(c)), None)
        text = self._words(start, end if inside is None else self.spans[inside][0])
        if inside is not None and self.syntax.code[statement] in DO:
            text += f" … {self._words(self._body_end(statement), end)}"
        return text

    def _body_end(self, statement: int) -> int:
        return max(self.spans[c][1] for c in self.syntax.children(statement) if self._is_body(c))

    def _is_body(self, node: int) -> bool:
        if self.syntax.field[node] == Field.NONE:
            return self.syntax.code[node] in STATEMENTS | CONTAINERS
        return self.syntax.field[node] in (Field.BODY, Field.CONSEQUENCE)

    def _words(self, start: int, end: int) -> str:
        return " ".join(self.source[start:end].decode(errors="replace").split())


def read_function(path: Path) -> str:
    """Return the text of a file that is one function.

    Raises:
        DataError: The file is missing, not text, or empty.
    """
    try:
        text = normalise(path.read_bytes().decode())
    except OSError as error:
        raise _bad_file(path, found=str(error), expected="a readable file") from error
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        raise _bad_file(path, found=found, expected="UTF-8 text") from error
    if not text:
        raise _bad_file(path, found="nothing but white space", expected="a C or C++ function")
    return text


def _bad_file(path: Path, *, found: str, expected: str) -> DataError:
    return DataError(
        f"{path}: no function to show; give a file with the text of one C or C++ function",
        [InputError(where=str(path), found=found, expected=expected)],
    )


def view_of(source: str, *, max_nodes: int = MAX_NODES) -> View:
    """Return a function with its flow, and where its nodes stand."""
    encoded = source.encode()
    spans: list[tuple[int, int]] = []
    syntax = SyntaxReader(max_nodes, StringTable()).read(encoded, spans)
    flow = control_flow(syntax)
    owner = owners(syntax, flow)
    return View(
        source=encoded,
        syntax=syntax,
        spans=spans,
        statements=flow.steps,
        owner=owner,
        flow=sorted(flow.edges),
        values=sorted(set(data_flow(syntax, flow, owner) or ())),
    )


def graph_document(source: str, *, max_nodes: int = MAX_NODES) -> dict[str, object]:
    """Return the whole graph in words, ready for JSON; nodes are numbered in source order.

    An edge of data flow carries the name of its variable.
    """
    graph = build_chunk([source], max_nodes)
    view = view_of(source, max_nodes=max_nodes)
    words = [word.decode(errors="replace") for word in graph.strings]
    nodes = [
        {
            "node": node,
            "kind": KINDS[kind],
            "token": words[token],
            "line": view.line(node),
            "statement": statement,
            **{name: words[number] for name, number in zip(FEATURES, features, strict=True) if number},
        }
        for node, (kind, token, features, statement) in enumerate(
            zip(
                graph.kind_N.tolist(),
                graph.token_N.tolist(),
                graph.features_N4.tolist(),
                graph.statement_N.tolist(),
                strict=True,
            )
        )
    ]
    triples = zip(graph.edge_type_E.tolist(), graph.source_E.tolist(), graph.target_E.tolist(), strict=True)
    edges = [
        {
            "type": EDGE_TYPES[kind],
            "from": start,
            "to": end,
            **({"variable": view.variable(start)} if EDGE_TYPES[kind] == "dfg" else {}),
        }
        for kind, start, end in triples
    ]
    return {"quality": quality_names(graph)[0], "truncated": bool(graph.truncated), "nodes": nodes, "edges": edges}
