"""Of the branches of an `#if` those count that can stand together."""

import pytest

from tests.found_functions import Named, named


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#ifdef A\nint f(int a)\n#else\nint f(long a)\n#endif\n{\n}\nint g(void) { }", [("f", 2, 7), ("g", 8, 8)]),
        ("#ifdef A\nint f(int a) {\n#else\nint f(long a) {\n#endif\n}\nint g(void) { }", [("f", 2, 6), ("g", 7, 7)]),
        (
            "#ifdef A\nint f(int a) {\n#endif\n#ifndef A\nint f(long a) {\n#endif\n}\nint g(void) { }",
            [("f", 2, 7), ("g", 8, 8)],
        ),
        (
            "int f(int a) {\n#ifdef A\n if (a) {\n#endif\n#ifndef A\n c();\n#else\n }\n#endif\n}\nint g(void) { }",
            [("f", 1, 10), ("g", 11, 11)],
        ),
        (
            "int f(int a) {\n#if A > 2\n if (a) {\n#elif A\n while (b) {\n#else\n {\n#endif\n }\n}\nint g(void) { }",
            [("f", 1, 10), ("g", 11, 11)],
        ),
        (
            "int f(int a) {\n if (a\n#ifdef A\n  && b)\n#else\n  && c)\n#endif\n { }\n}\nint g(void) { }",
            [("f", 1, 9), ("g", 10, 10)],
        ),
    ],
    ids=["heads", "heads_with_braces", "opposite", "same_condition", "several", "parentheses"],
)
def test_of_branches_that_open_the_same_the_first_counts(text: str, expected: list[Named]) -> None:
    assert named(text) == expected


def test_functions_of_all_branches_are_found_where_each_is_whole() -> None:
    text = "#ifdef A\nint f(void) { }\n#else\nint f(void) { }\nint h(void) { }\n#endif\nint g(void) { }"

    assert named(text) == [("f", 2, 2), ("f", 4, 4), ("h", 5, 5), ("g", 7, 7)]


def test_whole_functions_before_one_that_a_branch_leaves_open_are_found() -> None:
    text = "#ifdef A\nint h(void) { }\nint f(int a) {\n#else\nint i(void) { }\nint f(long a) {\n#endif\n}\n"

    assert named(text) == [("h", 2, 2), ("f", 3, 8)]


def test_what_is_never_compiled_is_not_read() -> None:
    text = "#if 0\nthis isn't code { \"\n#else\nint f(void) { }\n#endif\n#if 1\nint g(void) { }\n#else\n{ {\n#endif"

    assert named(text) == [("f", 4, 4), ("g", 7, 7)]


def test_the_braces_of_extern_c_for_cpp_alone_match() -> None:
    text = '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void) { }\n#ifdef __cplusplus\n}\n#endif\nint g(void) { }'

    assert named(text, ".h") == [("f", 4, 4), ("g", 8, 8)]


@pytest.mark.parametrize("text", ["#endif\n#else\n#elif A\n", "#if A\n", "#if A\n#if B\n#else\n", "#else\n#if\n"])
def test_conditions_that_do_not_match_lose_no_function(text: str) -> None:
    assert [name for name, _, _ in named(f"{text}int f(void) {{ }}\n{text}int g(void) {{ }}")] == ["f", "g"]
