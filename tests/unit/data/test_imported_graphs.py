"""Imported graphs from JSONL: joined by id, checked whole, and numbered like ours."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellgate.contract.errors import DataError
from trainers.data.encoding import GraphSet, RawGraphs, quality_names
from trainers.data.graph_numbers import encode_graphs
from trainers.data.imported_graphs.collect import ImportedGraphs, read_ready_graphs
from trainers.data.imported_graphs.mix import fill_up
from trainers.data.read.row import Row

Graph = dict[str, Any]


def row(name: str, label: int = 0, func: str = "int f(int a) { return a; }") -> Row:
    return Row(
        line=1,
        where=f"row {name}",
        id=name,
        text=func,
        label=label,
        split=None,
        project=None,
        commit=None,
        cwe=None,
        pair=None,
    )


def graph(name: Any = "a", **changes: Any) -> Graph:
    """A function `int f(int n) { return n + 1; }` as Joern has it."""
    nodes = [
        ["METHOD", "int f(int n) { return n + 1; }"],
        ["METHOD_PARAMETER_IN", "int n"],
        ["BLOCK", "{ return n + 1; }"],
        ["RETURN", "return n + 1;"],
        ["CALL", "n + 1"],
        ["IDENTIFIER", "n"],
        ["LITERAL", "1"],
    ]
    edges = [[0, 1, "AST"], [0, 2, "AST"], [2, 3, "AST"], [3, 4, "AST"], [4, 5, "AST"], [4, 6, "AST"]]
    return {"id": name, "nodes": nodes, "edges": [*edges, [1, 5, "REACHING_DEF"]], **changes}


def read(
    path: Path, *graphs: Graph | str, rows: tuple[Row, ...] = (row("a"),), max_nodes: int = 100, **more: Any
) -> ImportedGraphs:
    lines = [line if isinstance(line, str) else json.dumps(line) for line in graphs]
    source = path / "graphs.jsonl"
    source.write_text("\n".join(lines))
    left_out = more.get("left_out", frozenset())
    return read_ready_graphs(source, rows, left_out=left_out, max_nodes=max_nodes, progress=lambda _: None)


def raw_of(ready: ImportedGraphs) -> RawGraphs:
    assert ready.raw is not None
    return ready.raw


def wheres(path: Path, *graphs: Graph | str, **more: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(path, *graphs, **more)
    return [problem.where for problem in caught.value.problems]


def test_nodes_have_their_labels_tokens_and_features_and_edges_our_kinds(tmp_path: Path):
    raw = raw_of(read(tmp_path, graph()))

    words = [string.decode() for string in raw.strings]
    assert [raw.kinds[kind] for kind in raw.kind_N] == [
        "METHOD",
        "METHOD_PARAMETER_IN",
        "BLOCK",
        "RETURN",
        "CALL",
        "IDENTIFIER",
        "LITERAL",
    ]
    assert [words[number] for number in raw.token_N] == ["int", "n", "{", "return", "+", "n", "1"]
    # In the order api, data type, literal, operator; the return statement has those found inside it first.
    assert [[words[number] for number in of_node] for of_node in raw.features_N4] == [
        ["", "", "", ""],
        ["", "int", "", ""],
        ["", "", "", ""],
        ["", "int", "1", "+"],
        ["", "", "", "+"],
        ["", "int", "", ""],
        ["", "", "1", ""],
    ]
    assert raw.statement_N.tolist() == [0, 1, 2, 3, 3, 3, 3]
    assert [raw.edge_types[kind] for kind in raw.edge_type_E] == ["ast"] * 6 + ["dfg"]
    assert (raw.source_E[-1], raw.target_E[-1]) == (1, 5)
    assert quality_names(raw) == ["ready"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("AST", "ast"), ("CFG", "cfg"), ("DDG", "dfg"), ("DFG", "dfg"), ("NCS", "next_token"), ("CDG", "cdg")],
)
def test_edge_kinds_become_ours_where_they_mean_the_same(tmp_path: Path, theirs: str, ours: str):
    assert raw_of(read(tmp_path, graph(edges=[[0, 1, theirs]]))).edge_types == (ours,)


def test_every_mistake_is_reported_at_once_with_its_line_id_and_place(tmp_path: Path):
    found = wheres(
        tmp_path,
        "{broken",
        "[1]",
        graph(None),
        graph("b", nodes="none"),
        graph("c", nodes=[]),
        graph("d", nodes=[["METHOD"], ["CALL", 5], ["CALL", ""]], edges=[[0, 1, "AST"]]),
        graph("e", edges=[[0, 7, "AST"], [0.0, 1, "AST"], [-1, 0, "AST"]]),
        graph("f", edges=[[0, 7, "AST"], [-1, 2, "AST"], [0, 1, "AST"]]),
        '{"id": "g", "nodes": [["A", ""]], "edges": [[NaN, 0, "AST"], [0, true, "AST"]]}',
        f'{{"id": "h", "nodes": [["A", ""]], "edges": [[{10**30}, 0, "AST"]]}}',
        rows=tuple(row(name) for name in "bcdefgh"),
    )

    assert found == [
        "graphs.jsonl, line 1",
        "graphs.jsonl, line 2",
        "graphs.jsonl, line 3, id",
        "graphs.jsonl, line 4, b, nodes",
        "graphs.jsonl, line 5, c, nodes",
        "graphs.jsonl, line 6, d, node 0",
        "graphs.jsonl, line 6, d, node 1",
        "graphs.jsonl, line 7, e, edge 1",
        "graphs.jsonl, line 8, f, edge 0",
        "graphs.jsonl, line 8, f, edge 1",
        "graphs.jsonl, line 9, g, edge 0",
        "graphs.jsonl, line 9, g, edge 1",
        "graphs.jsonl, line 10, h, edge 0",
    ]


def test_a_graph_without_a_function_is_a_mistake_that_names_it(tmp_path: Path):
    with pytest.raises(DataError, match="a graph of ghost"):
        read(tmp_path, graph(), graph("ghost"))


def test_a_graph_of_a_function_that_was_left_out_is_passed_over(tmp_path: Path):
    ready = read(tmp_path, graph("copy"), graph(), left_out=frozenset({"copy"}))

    assert ready.places == [0]


def test_a_second_graph_of_one_function_is_a_mistake(tmp_path: Path):
    assert wheres(tmp_path, graph(), graph()) == ["graphs.jsonl, line 2, a"]


def test_whole_number_ids_are_read_as_the_functions_are(tmp_path: Path):
    assert read(tmp_path, graph(7), rows=(row("7"),)).places == [0]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("edges", [[0, 1, f"kind {number}"] for number in range(61)]),
        ("nodes", [[f"label {number}", ""] for number in range(10_001)]),
    ],
)
def test_more_kinds_than_can_be_learnt_are_a_mistake(tmp_path: Path, part: str, value: list[Any]):
    with pytest.raises(DataError, match=f"kinds of {part}"):
        read(tmp_path, graph(**{part: value}), max_nodes=20_000)


def test_nodes_beyond_the_limit_are_cut_with_their_edges_and_counted(tmp_path: Path):
    raw = raw_of(read(tmp_path, graph(), max_nodes=4))

    assert (raw.nodes_F.tolist(), raw.edges_F.tolist(), raw.truncated) == ([4], [3], 1)
    assert raw.target_E.max() == 3


def test_a_syntax_tree_that_goes_in_circles_ends(tmp_path: Path):
    edges = [[0, 1, "AST"], [1, 2, "AST"], [2, 0, "AST"]]

    assert raw_of(read(tmp_path, graph(edges=edges))).statement_N.tolist() == [0, 1, 1, 3, 4, 5, 6]


def mixed(tmp_path: Path) -> tuple[RawGraphs, RawGraphs]:
    """Graphs of functions a and c, ready, and b, ours; and ours of b alone."""
    rows = (row("a"), row("b", func="int g(int b) { if (b) return b + 2; return 1; }"), row("c"))
    ready = read(tmp_path, graph("c", nodes=[["CALL", "h(z)"]], edges=[]), graph("a"), rows=rows)

    def fill(rows: tuple[Row, ...], ready: ImportedGraphs) -> RawGraphs:
        file = io.BytesIO()
        return fill_up(ready, rows, max_nodes=100, workers=1, progress=lambda _: None, file=file).in_memory()

    return fill(rows, ready), fill(rows[1:2], ImportedGraphs(places=[], raw=None))


def nodes_of(raw: RawGraphs, function: int) -> list[tuple[str, str, list[str], int]]:
    first = int(raw.nodes_F[:function].sum())
    nodes = range(first, first + int(raw.nodes_F[function]))
    return [
        (
            raw.kinds[raw.kind_N[n]],
            raw.strings[raw.token_N[n]].decode(),
            [raw.strings[number].decode() for number in raw.features_N4[n]],
            int(raw.statement_N[n]),
        )
        for n in nodes
    ]


def edges_of(raw: RawGraphs, function: int) -> list[tuple[int, int, str]]:
    first = int(raw.edges_F[:function].sum())
    edges = range(first, first + int(raw.edges_F[function]))
    return [(int(raw.source_E[e]), int(raw.target_E[e]), raw.edge_types[raw.edge_type_E[e]]) for e in edges]


def test_functions_without_a_ready_graph_get_ours_in_their_place(tmp_path: Path):
    both, alone = mixed(tmp_path)

    assert quality_names(both) == ["ready", "parsed", "ready"]
    assert (nodes_of(both, 1), edges_of(both, 1)) == (nodes_of(alone, 0), edges_of(alone, 0))
    assert nodes_of(both, 2) == [("CALL", "h", ["h", "", "", ""], 0)]
    assert edges_of(both, 0)[-1] == (1, 5, "dfg")


def test_node_and_edge_types_are_those_of_train_alone(tmp_path: Path):
    rows = (row("a"), row("b"))
    other = graph("b", nodes=[["CALL", "n + 1"], ["CALL", "n"], ["GHOST", ""], ["GHOST", ""]])
    other["edges"] = [[0, 1, "AST"], [1, 2, "CDG"], [2, 3, "AST"]]
    raw = raw_of(read(tmp_path, graph("a", nodes=[*graph()["nodes"], ["CALL", "n"]]), other, rows=rows))

    encoded = encode_graphs(GraphSet.of(raw), is_train_F=np.array([True, False]), token_vocab_size=100)

    (arrays,) = encoded.parts()
    # Seen once in train: unknown, as what was never seen.
    assert encoded.vocabulary.node_types == ("<none>", "<unknown>", "CALL")
    assert arrays["node_type"].tolist() == [1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 1, 1]
    assert encoded.vocabulary.edge_types == ("ast", "dfg")
    assert encoded.pointers()["edge_ptr"].tolist() == [0, 7, 9]
    assert arrays["edge_src"].tolist()[7:] == [0, 2]
    assert arrays["edge_type"].tolist()[7:] == [0, 0]
