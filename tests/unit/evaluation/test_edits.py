"""Edits keep what a function does: the compiler makes the same code of both, and what is not sure is left alone."""

import subprocess
from pathlib import Path

import pytest

from cellgate.contract.bundle_summary import EDIT_TITLES
from trainers.evaluation.edits import (
    EDITS,
    add_dead_code,
    change_comments,
    change_layout,
    rename_variables,
    reorder_declarations,
)

PROGRAMS = """
#include <string.h>
#include <stdlib.h>
typedef struct { int n; int *values; } table;
int total(table *t, int limit)
{
    int i;
    int sum;
    unsigned long long wide;

    /* all of them */
    sum = 0;
    wide = 0;
    for (i = 0; i < limit && i < t->n; i++) {
        int value = t->values[i];
        wide += value * 3u; // as 64 bits
        sum ^= value;
    }
    return sum + (int) wide;
}
char *joined(const char *first, const char *second, size_t n)
{
    size_t length = strlen(first);
    char *out = malloc(length + n + 1);
    if (!out)
        goto failed;
    memcpy(out, first, length);
    {
        const char *n = second;
        memcpy(out + length, n, strlen(n));
    }
    out[length + n] = 0;
    return out;
failed:
    return "no memory /* not a comment */";
}
static inline unsigned mix(unsigned a, unsigned b)
{
    unsigned c[4] = { a, b, a ^ b, a + b };
    for (unsigned i = 0; i < 4; i++)
        c[i] = c[i] * 2654435761u ^ c[(i + 1) % 4];

    switch (a % 3) {
    case 0: return c[0];
    case 1: return c[1] + sizeof(c);
    default: return c[2];
    }
}
"""


def functions() -> list[str]:
    whole = PROGRAMS.split("\n}\n")[:-1]
    head, first = whole[0].split("} table;\n")
    return [f"{head}}} table;\n", *(f"{text}\n}}\n" for text in (first, *whole[1:]))]


MAIN = """
#include <stdio.h>
int main(void)
{
    int values[] = { 7, -3, 1 << 30, 1 << 30, 1 << 30 };
    table t = { 5, values };
    printf("%d %d %s %u %u %u\\n", total(&t, 9), total(&t, 2), joined("ab", "cd", 2), mix(1, 2), mix(4, 9), mix(3, 3));
    return 0;
}
"""


def both(name: str) -> tuple[str, str]:
    """The program, and the same with every function edited."""
    head, *texts = functions()
    edited = [EDITS[name](text) for text in texts]
    assert any(edited)
    assert all(new != old for new, old in zip(edited, texts, strict=True))
    return "".join([head, *texts]), "".join([head, *(new or old for new, old in zip(edited, texts, strict=True))])


def compiled(text: str, folder: Path) -> str:
    keep = ("-fkeep-static-functions", "-fkeep-inline-functions")
    command = ["gcc", "-O1", "-S", *keep, "-x", "c", "-o", "-", "-"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, input=text).stdout


def printed(text: str, folder: Path) -> str:
    command = ["gcc", "-x", "c", "-o", "program", "-"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, input=text + MAIN)
    return subprocess.run([folder / "program"], check=True, capture_output=True, text=True).stdout


# The order of declarations decides in which order a compiler writes independent instructions.
@pytest.mark.parametrize("name", [name for name in EDITS if name != "declarations"])
def test_the_compiler_makes_the_same_code_of_the_edited_functions(name: str, tmp_path: Path) -> None:
    before, after = both(name)

    assert compiled(after, tmp_path) == compiled(before, tmp_path)


def test_functions_with_their_declarations_in_another_order_compute_the_same(tmp_path: Path) -> None:
    before, after = both("declarations")

    assert printed(after, tmp_path) == printed(before, tmp_path)


def test_every_edit_has_a_title_to_be_told_by() -> None:
    assert list(EDIT_TITLES) == list(EDITS)


def test_a_name_that_a_macro_may_paste_or_that_is_someone_else_s_keeps() -> None:
    source = "int f(int width, int n) { { int depth = n; n += depth; } return GET(width) + depth; }"

    # `depth` is the inner variable in the block, and something global after it.
    assert rename_variables(source) == (
        "int f(int width, int local_1) { { int depth = local_1; local_1 += depth; } return GET(width) + depth; }"
    )


def test_members_and_labels_of_the_same_name_keep() -> None:
    source = "int f(struct table *n) { if (n->n) goto n; n: return n->n; }"

    assert rename_variables(source) == (
        "int f(struct table *local_1) { if (local_1->n) goto n; n: return local_1->n; }"
    )


def test_a_variable_named_like_a_type_keeps_its_name() -> None:
    assert rename_variables("int f(struct n *n) { return n->m; }") is None


def test_a_new_name_is_none_that_the_function_uses() -> None:
    edited = rename_variables("int f(int a) { return a + local_1 + local_2(); }")

    assert edited == "int f(int local_3) { return local_3 + local_1 + local_2(); }"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("int f(int a) { return a", id="does not parse"),
        pytest.param("int f(int a) {\n#define B a\nreturn B; }", id="a macro sees the name"),
        pytest.param("int f(int a) {\n#pragma omp parallel private(a)\nreturn a; }", id="a pragma names it"),
        pytest.param('int f(int a) { asm("nop" : : "r"(a)); return a; }', id="assembly"),
        pytest.param("int f(int a); int g(int a) { return a; } int h(int a) { return a; }", id="two functions"),
        pytest.param("int f(void) { return x; }", id="nothing of its own"),
    ],
)
def test_names_are_kept_where_it_is_not_sure_who_sees_them(source: str) -> None:
    assert rename_variables(source) is None


def test_comments_go_and_text_that_looks_like_one_stays() -> None:
    assert change_comments('int f() { /* a */ return g("/* b */"); // c\n}') == 'int f() {   return g("/* b */");  \n}'


def test_a_function_without_a_comment_gets_one() -> None:
    assert change_comments("int f() { return 1; }") == "int f() { /* as before */ return 1; }"


def test_a_comment_that_goes_on_after_a_backslash_is_left_alone() -> None:
    assert change_comments("int f() { // a \\\n b\nreturn 1; }") is None


def test_layout_keeps_directives_in_their_lines_and_strings_as_they_are() -> None:
    source = 'int f()\n{\n\n    #if A\n    g("a   b",   1);\n    #endif\n}'

    assert change_layout(source) == 'int f()\n{\n#if A\ng("a   b", 1);\n#endif\n}'
    assert change_layout('int f()\n{\ng("a   b");\n}') == 'int f()\n    {\n    g("a   b");\n    }'


@pytest.mark.parametrize("source", ['int f() { g("a\\\n  b"); }', 'int f() { g(R"(a\n   b)"); }'])
def test_strings_over_several_lines_keep_their_layout(source: str) -> None:
    assert change_layout(source) is None


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("int f() { int a = g(); int b = h(); return a + b; }", id="values that calls give"),
        pytest.param("int f(int n) { char a[n]; char b[n++]; return 0; }", id="computed sizes"),
        pytest.param("int f() { A::B a; A::C b; return 0; }", id="constructors"),
        pytest.param("int f() { int a; a = 1; int b; return a; }", id="not next to each other"),
        pytest.param("int f() { int a; return a; }", id="only one"),
    ],
)
def test_declarations_whose_order_may_matter_stay(source: str) -> None:
    assert reorder_declarations(source) is None


def test_dead_code_stands_first_and_takes_no_name_that_is_used() -> None:
    edited = add_dead_code("int f() { return spare_0; }")

    assert edited == "int f() { { int spare_1 = 0; if (spare_1) { spare_1 = 0; } } return spare_0; }"


def test_text_that_is_no_ascii_is_edited_at_the_right_bytes() -> None:
    assert rename_variables('int f(int n) { g("é→"); return n; }') == 'int f(int local_1) { g("é→"); return local_1; }'


def test_an_edit_of_deep_nesting_ends() -> None:
    source = "int f(int n) { " + "if (n) { " * 3_000 + "n = 0; " + "} " * 3_000 + "return n; }"

    assert (rename_variables(source) or source).count("{") == 3_001
