"""C and C++ files are divided into their functions, each with its name and its lines."""

import pytest

from tests.found_functions import named
from trainers.demo_data.generator import generate
from trainers.source_functions.division import FoundFunction, divide
from trainers.source_functions.language import Language

CPP = """\
#include <vector>
extern "C" {
int plain(int a) { return a; }
}
extern "C" int one(void) { return 1; }
int declared(int);
namespace a { namespace b::c {
template <typename T>
T largest(T x, T y)
{
    auto f = [](int q) { return q; };
    struct Local { int m() { return 1; } };
    return x > y ? x : y;
}
class K : public B {
 public:
  K() : x_(1) {}
  K(const K&) = default;
  ~K() {
  }
  operator bool() const { return true; }
  K& operator+=(const K& o) { return *this; }
  struct In { void deep() {} };
  int x_;
};
}}
namespace { void anonymous() {} }
int a::b::c::K::out() try { return 1; } catch (...) { return 2; }
int (*chosen(int a))(int) { return 0; }
int &same(int &x) { return x; }
auto trailing() -> int { return 1; }
#ifdef X
void conditional(void) { }
#endif
enum class E { A };
"""
FOUND = [
    ("plain", 3, 3),
    ("one", 5, 5),
    ("a::b::c::largest", 8, 14),
    ("a::b::c::K::K", 17, 17),
    ("a::b::c::K::~K", 19, 20),
    ("a::b::c::K::operator bool", 21, 21),
    ("a::b::c::K::operator+=", 22, 22),
    ("a::b::c::K::In::deep", 23, 23),
    ("anonymous", 27, 27),
    ("a::b::c::K::out", 28, 28),
    ("chosen", 29, 29),
    ("same", 30, 30),
    ("trailing", 31, 31),
    ("conditional", 33, 33),
]


def functions(text: str, suffix: str = ".c") -> tuple[FoundFunction, ...]:
    return divide(text, suffix=suffix).functions


def test_every_function_of_a_cpp_file_is_found_with_its_scope_and_lines() -> None:
    assert named(CPP, ".cc") == FOUND


def test_a_functions_text_is_that_of_its_lines() -> None:
    lines = CPP.split("\n")

    for function in functions(CPP, ".cc"):
        of_file = "\n".join(lines[function.start_line - 1 : function.end_line])
        assert function.source in of_file
        assert function.source.count("\n") == function.end_line - function.start_line
    assert functions(CPP, ".cc")[0].source == "int plain(int a) { return a; }"


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_count_the_same_whatever_ends_them(ends: str) -> None:
    found = functions("int x;\nint f(void)\n{\n}\nint g(void) {}\n".replace("\n", ends))

    assert [(f.name, f.start_line, f.source) for f in found] == [
        ("f", 2, "int f(void)\n{\n}"),
        ("g", 5, "int g(void) {}"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("int x = 3;\n#define f(x) { x }\n", []),
        ("if (x) { y(); }\nfor (;;) { }\n", []),
        ("int f(a, b)\nint a; char b;\n{ return a; }", [("f", 1, 3)]),
        ("static int __init f(void)\n{ return 1; }", [("f", 1, 2)]),
        ("DEFINE(x) { return 1; }", [("DEFINE", 1, 1)]),
        ("class V8_API K : public B {\n  int f() { return 1; }\n};\nint g() { }", [("K::f", 2, 2), ("g", 4, 4)]),
        ("struct FLAGS flags = { 1 };\nstruct FLAGS f(void) { }", [("f", 2, 2)]),
        ("int x { }\nint f(void) { }", [("f", 2, 2)]),
        ("int f(int a) { return a; }\n} else if (a) { b(); }\nint g(void) { }", [("f", 1, 1), ("g", 3, 3)]),
    ],
    ids=[
        "empty",
        "no_function",
        "statements",
        "old_style",
        "macro_in_head",
        "macro_as_head",
        "exported_class",
        "struct_value",
        "no_parameters",
        "stray_brace",
    ],
)
def test_what_is_no_function_is_left_out_and_what_looks_odd_is_found(
    text: str, expected: list[tuple[str, int, int]]
) -> None:
    assert named(text) == expected


def test_a_function_whose_braces_match_within_one_branch_only_is_found_and_none_of_the_others_is_lost() -> None:
    text = (
        "int f(int x)\n{\n#if A || \\\n  B\n    if (x) {\n#else\n    if (!x) {\n#endif\n    }\n    return 0;\n}\n"
        "#ifdef C\nint g(void) { return 1; }\n#else\nint g(void) { return 2; }\n#endif\n"
    )

    assert named(text) == [("f", 1, 11), ("g", 13, 13), ("g", 15, 15)]
    assert functions(text)[0].source == "\n".join(text.split("\n")[:11])


def test_generated_functions_in_one_file_are_all_found_whole() -> None:
    sources = [str(row["func"]).strip() for row in generate(functions=100, seed=5)]

    assert [function.source for function in functions("\n\n".join(sources))] == sources


def test_deep_nesting_does_not_end_the_process() -> None:
    deep = "namespace a {" * 5000 + "int f() { return " + "(" * 5000 + "1" + ")" * 5000 + "; }" + "}" * 5000

    assert len(functions(deep, ".cc")) == 1


def test_a_function_below_thousands_of_namespaces_is_found_with_the_innermost_ones_in_its_name() -> None:
    (found,) = functions("namespace a {" * 3_000 + "void f() {}" + "}" * 3_000, ".cc")

    assert found.name == "…::" + "a::" * 32 + "f"


def test_a_function_has_the_language_of_its_file() -> None:
    assert [one.language for one in functions("int f(void) { }\n")] == [Language.C]
    assert [one.language for one in functions("int f(void) { }\n", ".cc")] == [Language.CPP]


def test_text_that_no_encoding_can_write_is_divided_all_the_same() -> None:
    assert named("int f(char *s) { return s[0] == '\udce9'; }\nint g(void) { }") == [("f", 1, 1), ("g", 2, 2)]
