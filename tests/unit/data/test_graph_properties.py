"""What holds for the graph of any text whatever: random tokens, functions that are cut off, any characters."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.data.encoding import RawGraphs, build_chunk, build_graphs
from trainers.data.graphs.build import AST, EDGE_TYPES, NEXT_TOKEN
from trainers.data.graphs.grammar import KINDS
from trainers.demo_data.generator import generate

MAX_NODES = 300
PIECES = """
int char *p x y = == + ++ & && || -> . ( ) { } [ ] ; , : ? if else while for do switch case default break continue goto
l l: return f f( 1 'c' "s" #ifdef #else #endif try catch class template < > :: auto sizeof /* */ // é \\ 中 \0 free(p)
"""
FUNCTIONS = [str(row["func"]) for row in generate(functions=24, seed=1)]

tokens = st.lists(st.sampled_from(PIECES.split()), max_size=60).map(" ".join)
cut_functions = st.tuples(st.sampled_from(FUNCTIONS), st.integers(0, 400), st.integers(0, 400)).map(
    lambda cut: cut[0][: cut[1]] + cut[0][cut[1] + cut[2] :]
)
# A lone surrogate is no text: reading a file never yields one.
characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
sources = st.one_of(tokens, cut_functions, characters)


def arrays(graphs: RawGraphs) -> dict[str, list[object]]:
    return {name: value.tolist() for name, value in vars(graphs).items() if isinstance(value, np.ndarray)}


@settings(deadline=None, max_examples=150)
@given(st.lists(sources, min_size=1, max_size=4))
def test_every_text_has_a_graph_whose_indices_are_valid(texts: list[str]):
    graphs = build_chunk(texts, MAX_NODES)

    assert graphs.nodes_F.sum() == len(graphs.kind_N) == len(graphs.token_N) == len(graphs.features_N4)
    assert graphs.edges_F.sum() == len(graphs.source_E) == len(graphs.target_E) == len(graphs.edge_type_E)
    assert ((graphs.nodes_F >= 1) & (graphs.nodes_F <= MAX_NODES)).all()
    nodes_E = np.repeat(graphs.nodes_F, graphs.edges_F)
    nodes_N = np.repeat(graphs.nodes_F, graphs.nodes_F)
    for ends_E in (graphs.source_E, graphs.target_E):
        assert ((ends_E >= 0) & (ends_E < nodes_E)).all()
    assert ((graphs.statement_N >= 0) & (graphs.statement_N < nodes_N)).all()
    assert ((graphs.kind_N >= 0) & (graphs.kind_N < len(KINDS))).all()
    assert ((graphs.edge_type_E >= 0) & (graphs.edge_type_E < len(EDGE_TYPES))).all()
    for strings in (graphs.token_N, graphs.features_N4):
        assert ((strings >= 0) & (strings < len(graphs.strings))).all()


@settings(deadline=None, max_examples=80)
@given(sources)
def test_the_leaves_of_every_graph_are_one_chain_in_source_order(text: str):
    graph = build_chunk([text], MAX_NODES)

    nodes = int(graph.nodes_F[0])
    parents = set(graph.source_E[graph.edge_type_E == AST].tolist())
    leaves = [node for node in range(1, nodes) if node not in parents]
    chain = graph.edge_type_E == NEXT_TOKEN
    assert graph.source_E[chain].tolist() == leaves[:-1]
    assert graph.target_E[chain].tolist() == leaves[1:]


@settings(deadline=None, max_examples=80)
@given(st.lists(sources, min_size=2, max_size=4))
def test_a_graph_is_the_same_alone_among_others_and_when_built_again(texts: list[str]):
    together, again = build_chunk(texts, MAX_NODES), build_chunk(texts, MAX_NODES)
    alone = [build_chunk([text], MAX_NODES) for text in texts]

    assert arrays(together) == arrays(again)
    assert together.strings == again.strings
    for name in ("kind_N", "statement_N", "source_E", "target_E", "edge_type_E", "nodes_F", "edges_F", "quality_F"):
        assert getattr(together, name).tolist() == [v for graph in alone for v in getattr(graph, name).tolist()]
    words = [graph.strings[number] for graph in alone for number in graph.token_N.tolist()]
    assert [together.strings[number] for number in together.token_N.tolist()] == words


def test_two_workers_build_the_graphs_that_one_builds():
    # More than one chunk of work, of which each worker gets a part.
    texts = [*FUNCTIONS, ") ) a b", "int é;", "", FUNCTIONS[0][:60]] * 10

    one, two = (
        build_graphs(texts, max_nodes=MAX_NODES, workers=n, progress=lambda _: None, file=io.BytesIO()).in_memory()
        for n in (1, 2)
    )

    assert arrays(one) == arrays(two)
    assert (one.strings, one.truncated) == (two.strings, two.truncated)
