"""Control flow against graphs drawn by hand; each statement is named by the one word in it."""

import pytest

from trainers.data.graphs.dataflow import owners
from trainers.data.graphs.flow import control_flow
from trainers.data.graphs.grammar import KINDS
from trainers.data.graphs.syntax import StringTable, SyntaxReader


def flow_of(body: str, *, whole: bool = False) -> set[str]:
    """The edges of a function's control flow as `before>after`."""
    source = body if whole else f"void entry() {{ {body} }}"
    syntax = SyntaxReader(2000, StringTable()).read(source.encode())
    flow = control_flow(syntax)
    owner = owners(syntax, flow)

    def name(step: int) -> str:
        if KINDS[syntax.code[step]] == "goto_statement":
            return "goto"
        words = [
            w
            for node, w in enumerate(map(syntax.word, range(len(owner))))
            if owner[node] == step and w not in (b"", b"void")
        ]
        return (b" ".join(words) or KINDS[syntax.code[step]].removesuffix("_statement").encode()).decode()

    return {f"{name(before)}>{name(after)}" for before, after in flow.edges}


def test_statements_follow_one_another():
    assert flow_of("a(); b(); { c(); } d();") == {"entry>a", "a>b", "b>c", "c>d"}


def test_both_branches_of_an_if_meet_after_it():
    assert flow_of("if (x) a(); else { b(); } c();") == {"entry>x", "x>a", "x>b", "a>c", "b>c"}


def test_an_if_without_else_may_be_passed_by():
    assert flow_of("if (x) { a(); } c();") == {"entry>x", "x>a", "x>c", "a>c"}


def test_an_empty_branch_leads_on():
    assert flow_of("if (x) {} else ; c();") == {"entry>x", "x>c", "x>expression", "expression>c"}


def test_else_if_is_a_chain_of_conditions():
    assert flow_of("if (x) a(); else if (y) b(); c();") == {"entry>x", "x>a", "x>y", "y>b", "y>c", "a>c", "b>c"}


def test_a_while_loop_returns_to_its_condition():
    assert flow_of("while (x) { a(); b(); } c();") == {"entry>x", "x>a", "a>b", "b>x", "x>c"}


def test_a_for_loop_runs_initialiser_condition_body_update():
    assert flow_of("for (i = 0; n; u++) { a(); } c();") == {"entry>i 0", "i 0>n", "n>a", "a>u", "u>n", "n>c"}


def test_a_for_loop_without_condition_ends_only_by_break():
    assert flow_of("for (;;) { if (x) break; a(); } c();") == {
        "entry>for",
        "for>x",
        "x>break",
        "x>a",
        "a>for",
        "break>c",
    }


def test_a_do_loop_runs_its_body_first():
    assert flow_of("do { a(); b(); } while (x); c();") == {"entry>a", "a>b", "b>x", "x>a", "x>c"}


def test_nested_do_loops_start_at_the_innermost_body():
    assert flow_of("do do a(); while (x); while (y); c();") == {"entry>a", "a>x", "x>a", "x>y", "y>a", "y>c"}


def test_continue_goes_to_the_update_of_a_for_and_to_the_condition_of_a_while():
    assert flow_of("for (i = 0; n; u++) { if (x) continue; a(); }") == {
        "entry>i 0",
        "i 0>n",
        "n>x",
        "x>continue",
        "x>a",
        "continue>u",
        "a>u",
        "u>n",
    }
    assert "continue>n" in flow_of("while (n) { if (x) continue; a(); }")


def test_break_leaves_the_innermost_loop_only():
    edges = flow_of("while (x) { while (y) { break; } a(); } c();")

    assert "break>a" in edges
    assert "break>c" not in edges


def test_a_case_without_break_falls_through():
    assert flow_of("switch (x) { case 1: a(); case 2: b(); break; default: d(); } c();") == {
        "entry>x",
        "x>1",
        "x>2",
        "x>case",
        "1>a",
        "a>2",
        "2>b",
        "b>break",
        "break>c",
        "case>d",
        "d>c",
    }


def test_a_switch_without_default_may_match_nothing():
    edges = flow_of("switch (x) { case 1: a(); break; } c();")

    assert "x>c" in edges
    assert "x>c" not in flow_of("switch (x) { default: a(); break; } c();")


def test_cases_inside_a_loop_belong_to_the_switch_around_it():
    edges = flow_of("switch (x) { case 0: do { a(); case 1: b(); } while (y); } c();")

    assert {"x>0", "0>a", "x>1", "a>1", "1>b", "b>y", "y>a", "y>c"} <= edges


def test_continue_in_a_switch_concerns_the_loop_around_it():
    assert "continue>y" in flow_of("while (y) { switch (x) { case 1: continue; } a(); }")


def test_goto_leads_to_its_label_forwards_and_backwards():
    assert flow_of("if (x) goto out; a(); out: b();") == {"entry>x", "x>goto", "x>a", "goto>out", "a>out", "out>b"}
    assert flow_of("again: a(); goto again;") == {"entry>again", "again>a", "a>goto", "goto>again"}


def test_nothing_follows_a_return():
    assert flow_of("if (x) return; a();") == {"entry>x", "x>return", "x>a"}


def test_nothing_follows_a_call_that_never_returns():
    assert flow_of("if (x) { exit(1); } a();") == {"entry>x", "x>exit 1", "x>a"}


def test_goto_may_lead_into_a_loop():
    assert flow_of("goto in; while (x) { a(); in: b(); } c();") == {
        "entry>goto",
        "goto>in",
        "in>b",
        "x>a",
        "a>in",
        "b>x",
        "x>c",
    }


def test_goto_may_lead_out_of_nested_loops():
    edges = flow_of("while (x) { for (;;) { goto out; } } out: c();")

    assert edges == {"entry>x", "x>for", "for>goto", "goto>out", "x>out", "out>c"}


def test_a_goto_without_its_label_leads_nowhere():
    assert flow_of("a(); goto nowhere; b();") == {"entry>a", "a>goto"}


def test_continue_in_a_do_loop_goes_to_its_condition():
    assert flow_of("do { if (x) continue; a(); } while (y); c();") == {
        "entry>x",
        "x>continue",
        "x>a",
        "continue>y",
        "a>y",
        "y>x",
        "y>c",
    }


def test_continue_in_a_nested_loop_concerns_the_innermost_one():
    edges = flow_of("while (x) { while (y) { continue; } a(); }")

    assert edges == {"entry>x", "x>y", "y>continue", "continue>y", "y>a", "a>x"}


def test_break_in_a_switch_stays_in_the_loop_around_it_and_continue_leaves_it():
    assert flow_of("while (y) { switch (x) { case 1: break; case 2: continue; } a(); } c();") == {
        "entry>y",
        "y>x",
        "x>1",
        "x>2",
        "x>a",
        "1>break",
        "break>a",
        "2>continue",
        "continue>y",
        "a>y",
        "y>c",
    }


def test_break_in_a_loop_in_a_switch_leaves_the_loop():
    edges = flow_of("switch (x) { case 1: while (y) { break; } a(); } c();")

    assert {"break>a", "a>c"} <= edges
    assert "break>c" not in edges


def test_several_cases_share_what_follows():
    assert flow_of("switch (x) { case 1: case 2: a(); } c();") == {
        "entry>x",
        "x>1",
        "x>2",
        "x>c",
        "1>2",
        "2>a",
        "a>c",
    }


def test_a_default_may_stand_before_the_cases():
    assert flow_of("switch (x) { default: a(); case 1: b(); } c();") == {
        "entry>x",
        "x>case",
        "x>1",
        "case>a",
        "a>1",
        "1>b",
        "b>c",
    }


def test_a_short_circuit_is_one_step():
    assert flow_of("if (x && y || z) a(); b = x ? y : z; c();") == {
        "entry>x y z",
        "x y z>a",
        "x y z>b x y z",
        "a>b x y z",
        "b x y z>c",
    }


def test_what_stands_after_a_return_is_reached_only_by_a_label():
    assert flow_of("return; a(); out: b();") == {"entry>return", "a>out", "out>b"}


def test_either_branch_of_a_preprocessor_condition_may_run():
    assert flow_of("\n#ifdef FLAG\na();\n#else\nb();\n#endif\nc();\n") == {
        "entry>FLAG",
        "FLAG>a",
        "FLAG>b",
        "a>c",
        "b>c",
    }


def test_a_range_loop_and_a_try_block_of_cpp_are_understood():
    assert flow_of("for (auto &x : v) { a(); } c();") == {"entry>x v", "x v>a", "a>x v", "x v>c"}
    edges = flow_of("try { a(); } catch (...) { b(); } c();")
    assert {"entry>try", "try>a", "a>c", "b>c"} <= edges


def test_control_does_not_fall_from_one_function_into_the_next():
    assert flow_of("void f() { a(); } void g() { b(); }", whole=True) == {"f>a", "g>b"}


@pytest.mark.parametrize(
    "source",
    [
        "void f() {" + "{" * 10_000 + "a();" + "}" * 10_000 + "}",
        "void f() {" + "if (x) " * 10_000 + "a(); }",
        "void f() {" + "do " * 5_000 + "a();" + " while (x);" * 5_000 + "}",
        "int f() { return " + "(" * 10_000 + "x" + ")" * 10_000 + "; }",
        "int f() { return " + "-" * 10_000 + "x; }",
    ],
)
def test_depth_is_no_limit(source: str):
    syntax = SyntaxReader(100_000, StringTable()).read(source.encode())

    assert control_flow(syntax).steps
