"""Copies are found by what they mean: white space, comments and names do not make a function new."""

import io

import pytest

from trainers.data.c_tokens import tokens_of
from trainers.data.clean.duplicates import Deduplication, deduplicate, exact_key, kept_rows, renamed_keys
from trainers.data.clean.lexing import lex
from trainers.data.clean.token_file import TokenFile
from trainers.data.read.row import Row

ORIGINAL = "int sum(int *values, int n) { int s = 0; for (int i = 0; i < n; i++) s += values[i]; return s; }"


def row(func: str, label: int = 0, line: int = 1, **known: str | None) -> Row:
    unknown = dict.fromkeys(("project", "commit", "cwe", "pair"))
    return Row(
        line=line,
        where=f"line {line}",
        id=f"r{line}",
        text=func,
        label=label,
        split=None,
        **{**unknown, **known},
    )


def dropped(rows: list[Row]) -> Deduplication:
    return deduplicate(rows, TokenFile(io.BytesIO()))


def are_copies(one: str, other: str) -> bool:
    first, second = renamed_keys(lex([one, other]))
    return first == second


def test_white_space_does_not_make_a_copy_new():
    assert exact_key("int f() {\n\treturn 1;  }") == exact_key("int f() { return 1; }")
    assert exact_key("int f() { return 1; }") != exact_key("int f() { return 2; }")


def test_consistently_renamed_functions_are_copies():
    renamed = ORIGINAL.replace("sum", "total").replace("values", "xs").replace("n)", "m)").replace("< n", "< m")

    assert are_copies(renamed, ORIGINAL)


def test_comments_do_not_make_a_copy_new():
    assert are_copies("/* sum */ " + ORIGINAL.replace("{ int", "{ // zero\n int"), ORIGINAL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("values[i]", "values[n]"),  # another variable
        ("i < n", "i <= n"),
        ("s = 0", "s = 1"),
        ("int s", "long s"),
    ],
)
def test_a_change_of_meaning_is_no_renaming(old: str, new: str):
    assert not are_copies(ORIGINAL.replace(old, new), ORIGINAL)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("void f(char *d) { gets(d); }", "void f(char *d) { puts(d); }"),
        ("void f(struct s *p) { p->a = 1; }", "void f(struct s *p) { p->b = 1; }"),
        ("void f() { uint16_t x; }", "void f() { uint32_t x; }"),
        ("void f() { int x = LOW; }", "void f() { int x = HIGH; }"),
        ('void f() { g("%s"); }', 'void f() { g("%d"); }'),
    ],
    ids=["called function", "member", "sized type", "macro", "string"],
)
def test_names_that_carry_meaning_are_not_renamed(one: str, other: str):
    assert not are_copies(one, other)


def test_a_function_that_calls_itself_is_renamed_throughout():
    assert are_copies("int f(int n) { return f(n - 1); }", "int g(int k) { return g(k - 1); }")


def test_a_called_name_is_renamed_only_where_it_has_stood_for_a_variable():
    assert are_copies("void f(op *g) { g; g(1); }", "void f(op *h) { h; h(1); }")
    assert not are_copies("void f(void) { g(1); }", "void f(void) { h(1); }")
    assert not are_copies("void f(op *g) { g(1); }", "void f(op *g) { h(1); }")


def test_a_function_s_key_does_not_depend_on_its_neighbours():
    others = ["int g(", "a", "", "// only a comment", "void f(x *y) { y->z(y); }"]
    alone = lex([ORIGINAL])

    for sources in ([*others, ORIGINAL], [ORIGINAL, *others], [*others, ORIGINAL, *others]):
        place = sources.index(ORIGINAL)
        assert renamed_keys(lex(sources, alone.words))[place] == renamed_keys(alone)[0]


def test_the_first_copy_stays():
    rows = [row(ORIGINAL, line=1), row(ORIGINAL + " ", line=2), row(ORIGINAL.replace("sum", "add"), line=3)]

    result = dropped(rows)

    assert (result.kept, result.copies, result.exact, result.renamed) == ([0], [0, 0, 0], 1, 1)


def test_copies_with_contradictory_labels_are_all_dropped_and_named():
    rows = [row(ORIGINAL, 0, 1), row(ORIGINAL.replace("sum", "add"), 1, 2), row("int g() { return 2; }", 0, 3)]

    result = dropped(rows)

    assert result.kept == [2]
    assert [(c.ids, c.lines) for c in result.contradictions] == [(("r1", "r2"), (1, 2))]
    assert (result.exact, result.renamed) == (0, 0)


def test_comment_signs_inside_strings_are_no_comments():
    assert tokens_of('x = "/* no */" /* yes */ + \'"\'; // end') == ["x", "=", '"/* no */"', "+", "'\"'", ";"]


def test_the_copy_that_stays_knows_what_all_copies_know():
    rows = [
        row(ORIGINAL, line=1, cwe="CWE-1"),
        row(ORIGINAL, line=2, commit="c", date="2020-01-01", cwe="CWE-2,CWE-1"),
        row(ORIGINAL, line=3, commit="d", pair="p", project="x", date="2019-01-01"),
    ]

    (kept,) = kept_rows(rows, dropped(rows))

    assert (kept.id, kept.commit, kept.pair, kept.project, kept.cwe, kept.date) == (
        *("r1", "c", "p", "x"),
        *("CWE-1,CWE-2", "2019-01-01"),
    )


def test_a_text_without_a_token_has_a_key():
    assert are_copies("// nothing", "/* at all */")
