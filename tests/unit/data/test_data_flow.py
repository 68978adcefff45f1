"""Data flow against edges drawn by hand; the k-th occurrence of a name is written `name.k`, counted from 1."""

from trainers.data.graphs.dataflow import data_flow, owners
from trainers.data.graphs.flow import control_flow
from trainers.data.graphs.syntax import StringTable, SyntaxReader


def data_flow_of(body: str, parameters: str = "") -> set[str]:
    """The data-flow edges of a function as `definition>use`."""
    syntax = SyntaxReader(2000, StringTable()).read(f"void f({parameters}) {{ {body} }}".encode())
    flow = control_flow(syntax)
    seen: dict[bytes, int] = {}
    names = {}
    for node, text in enumerate(map(syntax.word, range(len(syntax.code)))):
        if text and syntax.stop[node] == node + 1:
            seen[text] = seen.get(text, 0) + 1
            names[node] = f"{text.decode()}.{seen[text]}"
    return {f"{names[a]}>{names[b]}" for a, b in data_flow(syntax, flow, owners(syntax, flow))}


def test_a_use_sees_the_assignment_before_it():
    assert data_flow_of("int x = 1; g(x);") == {"x.1>x.2"}


def test_a_new_value_ends_the_old_one():
    assert data_flow_of("int x = 1; x = 2; g(x);") == {"x.2>x.3"}


def test_both_branches_reach_the_use_after_them():
    assert data_flow_of("int x; if (c) x = 1; else x = 2; g(x);") == {"x.2>x.4", "x.3>x.4"}


def test_a_value_goes_around_a_loop():
    assert data_flow_of("int i = 0; while (i) { i = i + 1; }") == {"i.1>i.2", "i.1>i.4", "i.3>i.2", "i.3>i.4"}


def test_the_right_side_sees_the_value_before_the_assignment():
    assert data_flow_of("x = x + 1; g(x);", "int x") == {"x.1>x.3", "x.2>x.4"}


def test_a_compound_assignment_reads_and_writes():
    assert data_flow_of("x += 1; x++; g(x);", "int x") == {"x.1>x.2", "x.2>x.3", "x.3>x.4"}


def test_parameters_reach_their_uses_through_declarators():
    assert data_flow_of("g(p, a);", "char *p, int a[4]") == {"p.1>p.2", "a.1>a.2"}


def test_declarators_in_one_declaration_are_evaluated_in_order():
    assert data_flow_of("int a = 1, b = a; g(b);") == {"a.1>a.2", "b.1>b.2"}


def test_an_assignment_in_a_condition_reaches_the_rest_of_the_condition():
    assert data_flow_of("while ((c = next()) && c != 3) g(c);") == {"c.1>c.2", "c.1>c.3"}


def test_writing_through_a_pointer_adds_to_what_reaches_a_use():
    # The pointer itself keeps its value: both its definition and the write reach the use.
    assert data_flow_of("*p = 1; g(p);", "int *p") == {"p.1>p.2", "p.1>p.3", "p.2>p.3"}
    assert data_flow_of("a[i] = 1; g(a);", "int *a, int i") == {"a.1>a.2", "i.1>i.2", "a.1>a.3", "a.2>a.3"}


def test_a_member_is_a_variable_of_its_own():
    assert data_flow_of("p->n = 1; p->m = 2; g(p->n);", "struct s *p") == {
        "p.1>p.2",
        "p.1>p.3",
        "p.1>p.4",
        "n.1>n.2",
    }


def test_a_new_pointer_ends_what_is_known_of_its_members():
    assert data_flow_of("p->n = 1; p = q; g(p->n);", "struct s *p, struct s *q") == {"p.1>p.2", "q.1>q.2", "p.3>p.4"}


def test_a_buffer_that_a_library_call_fills_is_changed_by_it():
    assert data_flow_of("memcpy(d, s, n); g(d);", "char *d, char *s, int n") == {
        "d.1>d.2",
        "s.1>s.2",
        "n.1>n.2",
        "d.1>d.3",
        "d.2>d.3",
    }


def test_whoever_uses_a_freed_pointer_sees_the_free():
    assert "p.2>p.3" in data_flow_of("free(p); g(p);", "char *p")
    assert "p.2>p.4" not in data_flow_of("free(p); p = 0; g(p);", "char *p")


def test_a_call_that_gets_an_address_may_change_the_variable():
    assert data_flow_of("int x = 1; h(&x); g(x);") == {"x.1>x.2", "x.1>x.3", "x.2>x.3"}


def test_a_goto_carries_a_value_past_an_assignment():
    assert data_flow_of("int x = 1; if (c) goto out; x = 2; out: g(x);") == {"x.1>x.3", "x.2>x.3"}


def test_a_switch_that_falls_through_keeps_both_values():
    edges = data_flow_of("int x = 0; switch (k) { case 1: x = 1; case 2: g(x); }", "int k")

    assert edges == {"k.1>k.2", "x.1>x.3", "x.2>x.3"}


def test_what_cannot_be_reached_gets_no_value():
    assert data_flow_of("int x = 1; return; g(x);") == set()


def test_writing_through_a_cast_or_an_offset_changes_the_content():
    assert data_flow_of("*(p + 1) = 1; g(p);", "int *p") == {"p.1>p.2", "p.1>p.3", "p.2>p.3"}
    assert data_flow_of("*(char *)p = 1; g(p);", "int *p") == {"p.1>p.2", "p.1>p.3", "p.2>p.3"}
    assert data_flow_of("a[0].n = 1; g(a);", "struct s *a") == {"a.1>a.2", "a.1>a.3", "a.2>a.3"}
    assert data_flow_of("(*p).n = 1; g(p);", "struct s *p") == {"p.1>p.2", "p.1>p.3", "p.2>p.3"}


def test_a_call_fills_a_buffer_through_a_cast_or_an_offset():
    assert "b.2>b.3" in data_flow_of("memcpy(b + 4, s, 1); g(b);", "char *b, char *s")
    assert "b.2>b.3" in data_flow_of("free((void *)b); g(b);", "char *b")
    assert "x.1>x.2" in data_flow_of("h((void *)&x); g(x);", "int x")
    assert "x.2>x.3" in data_flow_of("h((void *)&x); g(x);", "int x")


def test_reading_from_a_file_changes_the_buffer_and_not_the_descriptor():
    assert data_flow_of("read(fd, b, 9); g(fd, b);", "int fd, char *b") == {
        "fd.1>fd.2",
        "b.1>b.2",
        "fd.1>fd.3",
        "b.1>b.3",
        "b.2>b.3",
    }


def test_a_member_or_element_written_through_an_address_is_changed():
    assert {"n.1>n.3", "n.2>n.3"} <= data_flow_of("p->n = 1; h(&p->n); g(p->n);", "struct s *p")
    assert {"a.1>a.3", "a.2>a.3"} <= data_flow_of("h(&a[1]); g(a);", "int *a")


def test_a_new_value_of_a_member_ends_what_hangs_on_it():
    assert "n.1>n.2" in data_flow_of("p->q->n = 1; g(p->q->n);", "struct s *p")
    assert "n.1>n.2" not in data_flow_of("p->q->n = 1; p->q = r; g(p->q->n);", "struct s *p, struct s *r")


def test_what_a_short_circuit_may_skip_ends_nothing():
    assert data_flow_of("c && (x = 1); g(x);", "int c, int x") == {"c.1>c.2", "x.1>x.3", "x.2>x.3"}
    assert data_flow_of("c || (x = 1); g(x);", "int c, int x") == {"c.1>c.2", "x.1>x.3", "x.2>x.3"}
    assert data_flow_of("(x = c) && h(); g(x);", "int c, int x") == {"c.1>c.2", "x.2>x.3"}


def test_either_branch_of_a_conditional_expression_may_give_the_value():
    edges = data_flow_of("c ? (x = 1) : (x = 2); g(x);", "int c, int x")

    assert edges == {"c.1>c.2", "x.1>x.4", "x.2>x.4", "x.3>x.4"}
    assert data_flow_of("(x = 1) ? a() : b(); g(x);", "int x") == {"x.2>x.3"}


def test_increments_read_and_write_before_and_after():
    assert data_flow_of("++x; g(x--); g(x);", "int x") == {"x.1>x.2", "x.2>x.3", "x.3>x.4"}


def test_a_pointer_that_is_written_through_and_moved_has_a_new_value():
    assert data_flow_of("*p++ = 1; g(p);", "char *p") == {"p.1>p.2", "p.2>p.3"}


def test_a_compound_assignment_to_an_element_reads_and_changes_it():
    assert data_flow_of("a[0] += 1; g(a);", "int *a") == {"a.1>a.2", "a.1>a.3", "a.2>a.3"}


def test_a_goto_into_a_loop_brings_its_value_there():
    edges = data_flow_of("int x = 1; goto in; while (c) { x = 2; in: g(x); }", "int c")

    assert edges == {"x.1>x.3", "x.2>x.3", "c.1>c.2"}


def test_a_value_of_the_last_round_of_a_do_loop_reaches_its_condition_and_what_follows():
    assert data_flow_of("do { x = h(); } while (x); g(x);", "int x") == {"x.2>x.3", "x.2>x.4"}


def test_the_update_of_a_for_loop_gives_the_next_round_its_value():
    assert data_flow_of("int i; for (i = 0; i < 9; i++) g(i);") == {
        "i.2>i.3",
        "i.4>i.3",
        "i.2>i.4",
        "i.4>i.4",
        "i.2>i.5",
        "i.4>i.5",
    }
