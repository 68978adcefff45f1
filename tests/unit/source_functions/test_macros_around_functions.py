"""Macros around a function's head hide neither the function nor its name."""

import pytest

from tests.found_functions import Named, named


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "name_t *\nlookup(expand_t *x UNUSED, int i)\n{\n}\n\nint after(void)\n{\n}",
            [("lookup", 1, 4), ("after", 6, 8)],
        ),
        ("int f(int UNUSED(a), char *b NONNULL(1)) { }\nint g(void) { }", [("f", 1, 1), ("g", 2, 2)]),
        ("static void f(int a) __printf(1, 2) { }", [("f", 1, 1)]),
        ("int f(int a)\n    LOCKS(mu)\n    NORETURN {\n}\nint g(void) { }", [("f", 1, 4), ("g", 5, 5)]),
        ("static void __f(int a) __releases(x) { }", [("__f", 1, 1)]),
        ('int f(void) __attribute__((noreturn)) { }\nint g(void) asm("h") { }', [("f", 1, 1), ("g", 2, 2)]),
    ],
    ids=["in_parameters", "call_in_parameters", "lower_case", "own_lines", "underscores", "compiler's"],
)
def test_macros_in_and_behind_parameters_are_passed_over(text: str, expected: list[Named]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PUBLIC void f(int a) { }\nCALL_API int STD_CALL g(int a) { }", [("f", 1, 1), ("g", 2, 2)]),
        ("EXPORT(int) f(int a) { }\nEXPORT(int)\ng(int a)\n{\n}", [("f", 1, 1), ("g", 2, 5)]),
        ("ElfW(Addr) f(int a) { }\nstatic ElfW(Addr)\ng(int a)\n{ }", [("f", 1, 1), ("g", 2, 4)]),
        ("API void (lua_f) (state *L) { }\nint (g)(void) { }", [("lua_f", 1, 1), ("g", 2, 2)]),
        ("EXPORT void NOTHROW *\nATTR(malloc) SIZE_OF(1)\nje_f(size_t n) {\n}", [("je_f", 1, 4)]),
        ("__declspec(dllexport) int __stdcall f(int a) { }", [("f", 1, 1)]),
        ("[[nodiscard]] static int f(void) { }\nint g [[gnu::hot]] (void) { }", [("f", 1, 1), ("g", 2, 2)]),
        (
            "static int CALL\nPREFIX(scan)(const char *p) {\n}\nDEFINE_TEST(two)(void) { }",
            [("scan", 1, 3), ("two", 4, 4)],
        ),
        ("STATIC\nint f(void) { }", [("f", 1, 2)]),
        ("#ifdef A\nstatic\n#endif\nint f(void) { }", [("f", 2, 4)]),
        ("_Check_ _Success_(return != 0) int f(_In_ int a) { }", [("f", 1, 1)]),
    ],
    ids=[
        "bare",
        "as_type",
        "as_type_lower",
        "parentheses",
        "own_line",
        "declspec",
        "brackets",
        "around_name",
        "above",
        "conditional",
        "annotation",
    ],
)
def test_macros_before_a_name_are_not_the_name(text: str, expected: list[Named]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REGISTER(one)\nREGISTER(two)\n\nint work(void)\n{\n}", [("work", 4, 6)]),
        ("declare_it(x)\nstatic struct s *\nf(void)\n{\n}", [("f", 2, 5)]),
        ("G_DEFINE_TYPE (A, a, B)\n\nstatic void\na_init (A *k)\n{\n}", [("a_init", 3, 6)]),
        ("int f(void) { }\nmodule_init(f)\nstatic int __init g(void) { }", [("f", 1, 1), ("g", 3, 3)]),
        ("BEGIN_DECLS\n\nint f(void) { }\nEND_DECLS\nint g(void) { }", [("f", 3, 3), ("g", 5, 5)]),
        ("DECLARE(x) int f(void) { }", [("f", 1, 1)]),
        ("time_t time(time_t *t) TIME_BODY(t)\n\n  int f(int *a)\n{\n}", [("f", 3, 5)]),
        ('static PATH(a, "x")\nstatic PATH(b, "x")\nstruct s {\n int a;\n};\nint f(void) { }', [("f", 6, 6)]),
        ('PUSH_X\nSUPPRESS("x")\nTEST_CASE("a") {\n}', [("TEST_CASE", 3, 4)]),
        ("FOO(x)\n__attribute__((cold))\n__declspec(x)\nint f(void) { }", [("f", 2, 4)]),
        ('_Pragma("x")\nint f(void) { }', [("f", 2, 2)]),
        ("late_init(x)\nSYSCALL(f, int, a)\n{\n}", [("SYSCALL", 2, 4)]),
        ("#ifdef W\n__declspec(dllexport)\n#endif\n/* a\n  b */\nint f(void) { }", [("f", 6, 6)]),
    ],
    ids=[
        "calls",
        "lower",
        "spaced",
        "module",
        "bare",
        "same_line",
        "body",
        "struct",
        "only_macros",
        "attributes",
        "pragma",
        "two_macros",
        "far_attribute",
    ],
)
def test_macros_that_are_declarations_without_a_semicolon_are_no_part_of_the_next_function(
    text: str, expected: list[Named]
) -> None:
    assert named(text) == expected


def test_a_macros_own_lines_are_no_code_whatever_stands_in_them() -> None:
    text = (
        "#define A(a, b) do { \\\n    if (a) { \\\n        b; \\\n    } /* unknown */ \\\n} while (0)\n"
        "#define B /* starts {\n ends { */ \"{\" '{'\n#error don't do this {\n"
        "/* writes */\nint first(int n) {\n    return n;\n}\nint second(void) { return 0; }\n"
    )

    assert named(text) == [("first", 10, 12), ("second", 13, 13)]


def test_macros_within_a_function_do_not_matter() -> None:
    text = (
        'static void first(struct s *s) {\n    default: fail(s, Q("=") " or " Q("in") " expected");\n'
        "    FOREACH(a, b) { x = ({ int y = 1; y; }); }\n}\n\nint second(void) {\n}"
    )

    assert named(text) == [("first", 1, 4), ("second", 6, 7)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "class A {\n  T& get() BOUND { return t_; }\n  const T& view() const& BOUND { return t_; }\n"
            "  void f() REQUIRED(mu_) { t_.clear(); }\n};",
            [("A::get", 2, 2), ("A::view", 3, 3), ("A::f", 4, 4)],
        ),
        ("class API A FINAL : public B<int(int)> {\n  int f() { }\n};", [("A::f", 2, 2)]),
        ('class DEPRECATED("x") A { int f() { } };', [("A::f", 1, 1)]),
        ("struct FOO { FOO(int a) lock(mu) { } };", [("FOO::FOO", 1, 1)]),
        (
            "class A {\n  Q_OBJECT\n  A(int a) { }\n  NO_COPY(A)\n  A() { }\n};",
            [("A::A", 3, 3), ("A::A", 5, 5)],
        ),
        (
            "class A {\n  Q_OBJECT\n public slots:\n  void f() { }\n SIGNALS:\n  void g() { }\n};",
            [("A::f", 4, 4), ("A::g", 6, 6)],
        ),
        (
            "LIB_BEGIN_NAMESPACE\nnamespace a {\nint f() { }\n}\nLIB_END_NAMESPACE\nint g() { }",
            [("a::f", 3, 3), ("g", 6, 6)],
        ),
        ('SUPPRESS("x")\nPOP\nnamespace a { namespace {\nint f() { }\n}}', [("a::f", 4, 4)]),
        ("MY_NAMESPACE {\nint f() { }\n}\nint g() { }", [("f", 2, 2), ("g", 4, 4)]),
        ("void B::f() EXCLUDES(mu_)\n    NO_ANALYSIS {\n}\nB::~B() OVERRIDE { }", [("B::f", 1, 3), ("B::~B", 4, 4)]),
    ],
    ids=[
        "qualifiers",
        "class",
        "class_call",
        "constructor",
        "bare",
        "labels",
        "namespaces",
        "warnings",
        "as_scope",
        "methods",
    ],
)
def test_macros_of_cpp_hide_no_function(text: str, expected: list[Named]) -> None:
    assert named(text, ".cc") == expected
