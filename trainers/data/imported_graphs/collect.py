"""Imported graphs joined to the functions by id, checked, and packed as ours are."""

# Shapes: N nodes and E edges of one function.
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.errors import DataError, InputError
from trainers.data.encoding import RawGraphs
from trainers.data.graphs.syntax import GraphQuality
from trainers.data.imported_graphs.code import MAX_CODE_CHARS, Meaning, meaning_of
from trainers.data.imported_graphs.graph import ImportedGraph, edge_kind
from trainers.data.imported_graphs.jsonl import read_graph_lines
from trainers.data.imported_graphs.pyg import SUFFIX, GraphFileReader
from trainers.data.read.error_collector import ErrorCollector
from trainers.data.read.row import Row

# With a reverse of each, their numbers fit into one byte.
MAX_EDGE_KINDS = 60
MAX_NODE_KINDS = 10_000
# Joern's, and what older versions and other tools call them: what stands directly in one of these is a statement.
STATEMENT_PARENTS = frozenset({"method", "block", "control_structure", "functiondef", "compoundstatement"})


@dataclass(frozen=True, kw_only=True)
class ImportedGraphs:
    """The imported graphs of some functions.

    Args:
        places: Place of each graph's function, ascending.
        raw: The graphs, in this order.
    """

    places: list[int]
    raw: RawGraphs | None


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A graph that a file holds: read only when a function wants it."""

    id: str
    where: str
    load: Callable[[Row], ImportedGraph | None]


def read_ready_graphs(
    source: Path, rows: Sequence[Row], *, left_out: frozenset[str], max_nodes: int, progress: Callable[[int], None]
) -> ImportedGraphs:
    """Read the graphs of these functions.

    Args:
        source: A folder of `<id>.pt` files, or a JSONL file.
        rows: The functions.
        left_out: Ids of functions that were left out, whose graphs are not missed.
        max_nodes: Nodes kept per function.
        progress: Called with the number of graphs done so far.

    Raises:
        DataError: Graphs are damaged, or belong to no function; all are listed.
    """
    problems = ErrorCollector()
    place_of = {row.id: place for place, row in enumerate(rows)}
    packer = _Packer(max_nodes)
    seen: dict[str, str] = {}
    for found in _found(source, problems):
        first = seen.setdefault(found.id, found.where)
        if first != found.where:
            problems.add(
                found.where, found=f"a second graph, after {first}", expected="one per function", fix="leave one"
            )
        elif found.id in place_of:
            graph = found.load(rows[place_of[found.id]])
            if graph is not None:
                packer.add(place_of[found.id], graph)
                progress(len(packer.places))
        elif found.id not in left_out:
            problems.add(
                found.where,
                found=f"a graph of {found.id}",
                expected="the id of a function in the source",
                fix="add the function, or remove the graph",
            )
    for what, kinds, limit in (
        ("edges", packer.edge_kinds, MAX_EDGE_KINDS),
        ("nodes", packer.node_kinds, MAX_NODE_KINDS),
    ):
        if len(kinds) > limit:
            problems.add(
                str(source),
                found=f"{len(kinds)} kinds of {what}",
                expected=f"at most {limit}",
                fix="join kinds that mean the same; a node's source text belongs into its code",
            )
    problems.raise_if_any(f"{source}: {problems.total} mistakes in imported graphs")
    return packer.packed()


def _found(source: Path, problems: ErrorCollector) -> Iterator[_Found]:
    if not source.is_dir():
        for graph_id, where, graph in read_graph_lines(source, problems):
            yield _Found(id=graph_id, where=where, load=partial(_as_read, graph))
        return
    paths = sorted(source.glob(f"*{SUFFIX}"))
    if not paths:
        raise DataError(
            f"{source}: the folder holds no graphs",
            [InputError(where=str(source), found=f"no {SUFFIX} file", expected=f"files named <id>{SUFFIX}")],
        )
    reader = GraphFileReader(problems)
    for path in paths:
        yield _Found(id=path.name.removesuffix(SUFFIX), where=path.name, load=partial(_from_file, reader, path))


def _as_read(graph: ImportedGraph, _row: Row) -> ImportedGraph:
    return graph


def _from_file(reader: GraphFileReader, path: Path, row: Row) -> ImportedGraph | None:
    return reader.read(path, row.label)


class _Packer:
    """Numbers the graphs' strings, and lays the graphs one after another."""

    def __init__(self, max_nodes: int) -> None:
        self._max_nodes = max_nodes
        self._strings: dict[bytes, int] = {b"": 0}
        self.node_kinds: dict[str, int] = {"": 0}
        self.edge_kinds: dict[str, int] = {}
        self.places: list[int] = []
        self._nodes: list[NDArray[np.int32]] = []
        self._edges: list[NDArray[np.int32]] = []
        self._truncated = 0

    def add(self, place: int, graph: ImportedGraph) -> None:
        """Take in one graph, of the function at this place."""
        nodes = min(len(graph.labels), self._max_nodes)
        self._truncated += nodes < len(graph.labels)
        kept_E = (graph.source_E < nodes) & (graph.target_E < nodes)
        kind_E = np.array([self._edge_kind(kind) for kind in graph.kinds], dtype=np.int64)
        owner = _owners(graph, nodes)
        meanings = [meaning_of(graph.labels[n][:MAX_CODE_CHARS], graph.codes[n][:MAX_CODE_CHARS]) for n in range(nodes)]
        self.places.append(place)
        self._nodes.append(
            np.column_stack(
                [
                    [self.node_kinds.setdefault(label, len(self.node_kinds)) for label in graph.labels[:nodes]],
                    [
                        self._number(token or meaning.token)
                        for token, meaning in zip(graph.tokens, meanings, strict=False)
                    ],
                    self._features(meanings, owner),
                    owner,
                ]
            ).astype(np.int32)
        )
        self._edges.append(
            np.column_stack([graph.source_E[kept_E], graph.target_E[kept_E], kind_E[kept_E]]).astype(np.int32)
        )

    def _number(self, text: str) -> int:
        return self._strings.setdefault(text.encode(errors="replace"), len(self._strings))

    def _edge_kind(self, name: str) -> int:
        return self.edge_kinds.setdefault(edge_kind(name), len(self.edge_kinds))

    def _features(self, meanings: Sequence[Meaning], owner: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number the four features of each node; a statement without its own takes the first found inside it."""
        types = _declared(meanings)
        features_N4 = np.zeros((len(meanings), 4), dtype=np.int64)
        for node, meaning in enumerate(meanings):
            data_type = meaning.data_type or types.get(meaning.token, "")
            texts = (meaning.api, data_type, meaning.literal, meaning.operator)
            for feature, text in enumerate(texts):
                if text:
                    number = self._number(text)
                    features_N4[node, feature] = number
                    if not features_N4[owner[node], feature]:
                        features_N4[owner[node], feature] = number
        return features_N4

    def packed(self) -> ImportedGraphs:
        """Return all graphs, by the places of their functions."""
        order = np.argsort(self.places, kind="stable").tolist()
        if not order:
            return ImportedGraphs(places=[], raw=None)
        nodes = [self._nodes[place] for place in order]
        edges = [self._edges[place] for place in order]
        nodes_N7, edges_E3 = np.concatenate(nodes), np.concatenate(edges)
        raw = RawGraphs(
            nodes_F=np.array([len(of_one) for of_one in nodes], dtype=np.int64),
            edges_F=np.array([len(of_one) for of_one in edges], dtype=np.int64),
            quality_F=np.full(len(order), GraphQuality.READY, dtype=np.int8),
            truncated=self._truncated,
            kind_N=nodes_N7[:, 0].astype(np.int16),
            token_N=nodes_N7[:, 1],
            features_N4=nodes_N7[:, 2:6],
            statement_N=nodes_N7[:, 6],
            source_E=edges_E3[:, 0],
            target_E=edges_E3[:, 1],
            edge_type_E=edges_E3[:, 2].astype(np.int8),
            strings=list(self._strings),
            kinds=tuple(self.node_kinds),
            edge_types=tuple(self.edge_kinds),
        )
        return ImportedGraphs(places=[self.places[place] for place in order], raw=raw)


def _declared(meanings: Sequence[Meaning]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for meaning in meanings:
        if meaning.declares and meaning.data_type:
            found.setdefault(meaning.declares, meaning.data_type)
    return found


def _owners(graph: ImportedGraph, nodes: int) -> NDArray[np.int64]:
    """Return the statement that owns each node: the nearest one around it in the syntax tree, or the node itself."""
    parent = [-1] * nodes
    for source, target, kind in zip(graph.source_E.tolist(), graph.target_E.tolist(), graph.kinds, strict=True):
        if edge_kind(kind) == "ast" and source < nodes and target < nodes:
            parent[target] = source
    is_statement = [
        above >= 0 and graph.labels[above].replace(" ", "").lower() in STATEMENT_PARENTS for above in parent
    ]
    owner = np.arange(nodes)
    is_known = list(is_statement)
    for node in range(nodes):
        at, passed = node, set[int]()
        # What calls itself a tree may go in circles.
        while at >= 0 and not is_known[at] and at not in passed:
            passed.add(at)
            at = parent[at]
        # All on the way have the same owner; each is passed once.
        found = int(owner[at]) if at >= 0 and is_statement[owner[at]] else None
        for below in passed:
            is_known[below] = True
            if found is not None:
                owner[below] = found
    return owner
