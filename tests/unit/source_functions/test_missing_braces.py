"""One mistake never takes the next function with it."""

import pytest

from tests.found_functions import Named, named
from trainers.source_functions.division import divide

NEXT = "\nint next(void)\n{\n  return 1;\n}\nint last(void)\n{\n  return 2;\n}\n"


@pytest.mark.parametrize(
    "text",
    [
        "int f(void)\n{\n  if (x) {\n  return 0;\n}\n",
        "int f(void) {\n  foo(;\n",
        "static int t[] = {\n  1, 2,\n",
        "DECLARE(x, (y\n",
        "int x = 3\n",
        "}\n",
        "if (x) {\n",
        "int f(void)\n{\nif (x) {\nreturn 0;\n}\n",
        'int f(void)\n{\n  char *s = "{ unclosed;\n}\n',
        "class A {\n  int f(void) {\n  }\n",
    ],
    ids=["brace", "parenthesis", "value", "macro", "semicolon", "stray", "statement", "flat", "string", "class"],
)
def test_functions_behind_a_mistake_are_found_whole(text: str) -> None:
    lines = text.count("\n") + 1

    found = named(text + NEXT, ".cc")
    # A class that nothing closes stays in their names.
    assert [(name.rpartition("::")[2], *place) for name, *place in found][-2:] == [
        ("next", lines + 1, lines + 4),
        ("last", lines + 5, lines + 8),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int f(void)\n{\n  if (x) {\n  return 0;\n}\n\nint g(void)\n{\n}\n", [("f", 1, 5), ("g", 7, 9)]),
        ("int f(void)\n{\n  if (x) {\n\nint g(a)\n  int a;\n{\n}\n", [("f", 1, 3), ("g", 5, 8)]),
        (
            "struct A {\n  int f() {\n    if (x) {\n  }\n  int g() {\n  }\n};\nint h() { }",
            [("A::f", 2, 4), ("A::g", 5, 6), ("h", 8, 8)],
        ),
    ],
    ids=["top", "old_style", "class"],
)
def test_a_function_without_its_last_brace_ends_before_the_next(text: str, expected: list[Named]) -> None:
    assert named(text) == expected


def test_a_function_whose_macro_hides_an_opening_brace_goes_on_to_the_brace_below_its_head() -> None:
    text = "int f(void)\n{\n  BEGIN(x)\n    y();\n  }\n  z();\n}\n\nint g(void)\n{\n}\n"

    assert named(text) == [("f", 1, 7), ("g", 9, 11)]


def test_lines_of_a_function_at_the_left_margin_do_not_end_it() -> None:
    text = "int f(void)\n{\n  g();\nout:\n  h();\nprintf(x);\nstruct s v;\nif (x) {\n}\n}\nint g(void) { }"

    assert named(text) == [("f", 1, 10), ("g", 11, 11)]


def test_parts_whose_braces_do_not_match_are_counted() -> None:
    whole = divide("int f(void)\n{\n  return 0;\n}\n", suffix=".c").coverage
    broken = divide("int f(void)\n{\n  if (x) {\n  return 0;\n}\n\nint g(void)\n{\n}\n", suffix=".c").coverage

    assert (whole.unparsed, broken.unparsed) == (0, 5)
