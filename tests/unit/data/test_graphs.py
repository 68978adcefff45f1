"""What a built graph holds, for functions that parse and for those that do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.data.encoding import build_chunk
from trainers.data.graphs.build import API, AST, DATA_TYPE, EDGE_TYPES, LAST_USE, LITERAL, NEXT_TOKEN, OPERATOR
from trainers.data.graphs.grammar import KINDS
from trainers.data.graphs.syntax import GraphQuality


class Built:
    """A graph with its strings."""

    def __init__(self, source: str, max_nodes: int = 1000) -> None:
        self.graph = build_chunk([source], max_nodes)
        self.quality = GraphQuality(self.graph.quality_F[0])
        self.truncated = bool(self.graph.truncated)
        self.kind: list[int] = self.graph.kind_N.tolist()
        self.statement: list[int] = self.graph.statement_N.tolist()
        self.source: list[int] = self.graph.source_E.tolist()
        self.target: list[int] = self.graph.target_E.tolist()
        self.edge_type: list[int] = self.graph.edge_type_E.tolist()
        self._strings = [string.decode() for string in self.graph.strings]

    def node(self, kind: str, token: str | None = None) -> int:
        """The first node of a kind, and of a token when given."""
        return next(
            i for i, code in enumerate(self.kind) if KINDS[code] == kind and (token is None or self.token(i) == token)
        )

    def token(self, node: int) -> str:
        return self._strings[self.graph.token_N[node]]

    def feature(self, feature: int, node: int) -> str:
        return self._strings[self.graph.features_N4[node, feature]]

    def edges(self, edge_type: int) -> list[tuple[str, str]]:
        triples = zip(self.source, self.target, self.edge_type, strict=True)
        return [(self.token(a), self.token(b)) for a, b, kind in triples if kind == edge_type]


def test_the_syntax_tree_is_a_tree_over_all_nodes():
    graph = Built("int f(int a) { return a + 1; }")

    children = [b for b, kind in zip(graph.target, graph.edge_type, strict=True) if kind == AST]
    assert sorted(children) == list(range(1, len(graph.kind)))


def test_an_operator_is_the_token_of_its_expression():
    built = Built("void f() { a <<= b && !c; }")

    assert built.token(built.node("assignment_expression")) == "<<="
    assert built.token(built.node("binary_expression")) == "&&"
    assert built.token(built.node("unary_expression")) == "!"


def test_parentheses_and_comments_leave_no_node():
    plain = Built("int f(int a) { return a + 1; }")
    dressed = Built("int f(int a) { /* why */ return ((a) + 1); // so\n}")

    assert dressed.kind == plain.kind
    assert dressed.source == plain.source
    assert dressed.target == plain.target


def test_tokens_follow_one_another_in_source_order():
    built = Built("int f(int a) { return a; }")

    assert built.edges(NEXT_TOKEN) == [("int", "f"), ("f", "int"), ("int", "a"), ("a", "a")]


def test_each_name_points_to_its_occurrence_before():
    built = Built("void f(int a, int b) { a = b; b = a; }")

    triples = zip(built.source, built.target, built.edge_type, strict=True)
    last_uses = [(a, b) for a, b, kind in triples if kind == LAST_USE]
    assert [(built.token(a), built.token(b)) for a, b in last_uses] == [("a", "a"), ("b", "b"), ("b", "b"), ("a", "a")]
    assert all(before < after for after, before in last_uses)


def test_what_a_string_says_is_not_in_the_graph():
    one, other = Built('void f() { g("one"); }'), Built('void f() { g("other"); }')

    assert np.array_equal(one.graph.kind_N, other.graph.kind_N)
    assert np.array_equal(one.graph.token_N, other.graph.token_N)
    assert one.graph.strings == other.graph.strings


def test_every_node_knows_the_statement_that_owns_it():
    built = Built("void f(int a) { if (a) { b = 2; } }")
    statement = built.statement

    assert statement[built.node("number_literal")] == built.node("expression_statement")
    assert statement[built.node("compound_statement")] == built.node("function_definition")
    condition = built.node("if_statement") + 1
    assert (built.token(condition), statement[condition]) == ("a", built.node("if_statement"))


def test_features_name_call_type_literal_and_operator():
    built = Built("void f(struct s *p) { unsigned  int n[4]; n[0] = strlen(p) + 7; }")
    call, sum_, seven = (
        built.node("call_expression"),
        built.node("binary_expression"),
        built.node("number_literal", "7"),
    )

    assert built.feature(API, call) == "strlen"
    assert built.feature(OPERATOR, sum_) == "+"
    assert built.feature(LITERAL, seven) == "7"
    assert built.feature(DATA_TYPE, built.node("identifier", "p")) == "s*"
    assert built.feature(DATA_TYPE, built.node("identifier", "n")) == "unsigned int[]"


def test_a_statement_takes_the_first_feature_inside_it():
    built = Built("void f(char *p) { n = strlen(p) + 7; }")
    statement = built.node("expression_statement")

    features = [built.feature(k, statement) for k in (API, DATA_TYPE, LITERAL, OPERATOR)]
    assert features == ["strlen", "char*", "7", "="]


def test_cpp_is_read_where_c_leaves_errors():
    built = Built("int A::f(std::vector<int> &v) { return v.at(0); }")

    assert built.quality is GraphQuality.PARSED
    assert "qualified_identifier" in {KINDS[code] for code in built.kind}


def test_a_broken_function_keeps_what_was_understood():
    built = Built("int f(int a) { if (a > 1 { return a; }")

    assert built.quality is GraphQuality.PARTIAL
    assert ("a", "a") in built.edges(LAST_USE)


@pytest.mark.parametrize("source", [") ) a b", "@@@ x", "/* only a comment */", "}", "é"])
def test_what_is_no_code_at_all_is_still_a_graph(source: str):
    graph = Built(source)

    assert len(graph.kind) >= 1
    assert all(0 <= end < len(graph.kind) for end in graph.source + graph.target)


def test_tokens_without_structure_are_a_chain():
    assert Built(") ) a b c )").quality is GraphQuality.TOKEN_CHAIN


@pytest.mark.parametrize("max_nodes", range(1, 70))
def test_a_graph_that_is_cut_holds_the_first_nodes_and_no_loose_edge(max_nodes: int):
    source = "int f(char *p) { for (int i = 0; i < 9; i++) { if (p->n) exit(1); p[i] = g(&p); goto l; l: ; } }"
    whole, cut = Built(source), Built(source, max_nodes=max_nodes)

    assert cut.kind == whole.kind[:max_nodes]
    assert cut.truncated == (max_nodes < len(whole.kind))
    assert all(0 <= end < len(cut.kind) for end in cut.source + cut.target + cut.statement)


def test_edge_types_are_those_of_the_vocabulary():
    assert EDGE_TYPES == ("ast", "cfg", "dfg", "next_token", "last_use")


# Enough of the language to make every construct, in any order: mostly broken code.
PIECES = """
int char *p x y = == + ++ & -> . ( ) { } [ ] ; , : ? if else while for do switch case default break continue goto l
return f 1 'c' "s" #ifdef #else #endif try catch class template < > :: auto /* */ // é
"""


@given(st.lists(st.sampled_from(PIECES.split()), max_size=60), st.sampled_from([" ", "\n"]), st.integers(1, 80))
def test_no_input_breaks_a_graph(pieces: list[str], between: str, max_nodes: int):
    graph = Built(between.join(pieces), max_nodes=max_nodes)

    nodes = len(graph.kind)
    assert 1 <= nodes <= max_nodes
    assert all(0 <= end < nodes for end in graph.source + graph.target + graph.statement)
    assert len({*zip(graph.source, graph.target, graph.edge_type, strict=True)}) == len(graph.edge_type)
