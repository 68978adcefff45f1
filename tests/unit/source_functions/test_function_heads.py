"""Every way to write a function's head is read, and nothing else is taken for one."""

import pytest

from tests.found_functions import Named, named


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int f(a, b)\n  int a;\n  int (*b)(int);\n{\n}\nmain(c, v)\nchar **v;\n{\n}", [("f", 1, 5), ("main", 6, 9)]),
        ("int (*f(int a))(int) { }\nvoid (*sig(int s, void (*h)(int)))(int) { }", [("f", 1, 1), ("sig", 2, 2)]),
        (
            "int (*f(int a))[3]\n{\n}\nstruct s (*(*g(void))(int))[5][N] { }\nint h(int a) [[x]] { }",
            [("f", 1, 3), ("g", 4, 4), ("h", 5, 5)],
        ),
        (
            "int template(int class) { }\nint operator(int new) { }\nint namespace(void) { }",
            [("template", 1, 1), ("operator", 2, 2), ("namespace", 3, 3)],
        ),
        (
            "static void final(int a) { }\nstatic gboolean delete(int a)\n{ }\nvoid catch(int a) { }",
            [("final", 1, 1), ("delete", 2, 3), ("catch", 4, 4)],
        ),
        (
            "struct s f(void) UNUSED { }\nunion u g(void) { }\nenum e h(void) { }",
            [("f", 1, 1), ("g", 2, 2), ("h", 3, 3)],
        ),
        (
            "__typeof__(int) f(void) { }\n_Atomic(int) *g(void) { }\n_Noreturn void h(void) { }",
            [("f", 1, 1), ("g", 2, 2), ("h", 3, 3)],
        ),
        (
            "[[nodiscard]]\nint f(void) { }\nDECLARE(x)\n[[gnu::hot]] [[a]]\nint g(void) { }\n[[a]]\n\nint h(void) { }",
            [("f", 1, 2), ("g", 4, 5), ("h", 8, 8)],
        ),
        ("void f(void)\n  {\n  g();\n  }\nvoid h(void) { } void i(void) { }", [("f", 1, 4), ("h", 5, 5), ("i", 5, 5)]),
    ],
    ids=[
        "old_style",
        "pointers",
        "arrays",
        "words_of_cpp",
        "statements_of_cpp",
        "types",
        "typeof",
        "attributes",
        "layout",
    ],
)
def test_functions_of_c_are_found(text: str, expected: list[Named]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A::A(int x) : B<int>{x}, y_{x}, z_(x)\n{\n}\nint g() { }", [("A::A", 1, 3), ("g", 4, 4)]),
        ("A::A() try : x_(1) { } catch (B&) {\n} catch (...) { }\nint g() { }", [("A::A", 1, 2), ("g", 3, 3)]),
        ("template <typename T, int N = (3 > 2)>\nauto f(T t) -> decltype(t.x()) {\n}", [("f", 1, 3)]),
        ("template <class T> requires C<T> && (sizeof(T) > 1)\nT f(T t) { }", [("f", 1, 2)]),
        ("template <class T> requires requires(T t) { t.x(); }\nT f(T t) { }", [("f", 1, 2)]),
        ("void f(T t)\n  requires C<T> && requires (T u) { u.x(); }\n{\n}\nvoid g() { }", [("f", 1, 4), ("g", 5, 5)]),
        ("struct A {\n void f() && requires (C<T>) { }\n void g() { }\n};", [("A::f", 2, 2), ("A::g", 3, 3)]),
        ("template <> int f<int>(int a) { }\nint A<T>::g() { }", [("f<int>", 1, 1), ("A<T>::g", 2, 2)]),
        ("std::function<void(int)> f(std::map<int, A<int>> m = {}) { }", [("f", 1, 1)]),
        ("int f() noexcept(noexcept(g())) { }\nint h() const&& override final { }", [("f", 1, 1), ("h", 2, 2)]),
        (
            "export int f() { }\nexport namespace n { int g() { } }\nexport { int h() { } }",
            [("f", 1, 1), ("n::g", 2, 2), ("h", 3, 3)],
        ),
        (
            "union U { int f() { } };\nstruct { int f() { } } x;\nstruct A<int>::B { void g() { } };",
            [("U::f", 1, 1), ("f", 2, 2), ("A<int>::B::g", 3, 3)],
        ),
        (
            "namespace a [[deprecated]] { int f() { } }\ninline namespace v1 { int g() { } }",
            [("a::f", 1, 1), ("v1::g", 2, 2)],
        ),
        ("namespace a::inline b { int ::n::f() { } }", [("a::b::n::f", 1, 1)]),
    ],
    ids=[
        "members",
        "try",
        "trailing",
        "constraint",
        "requires",
        "requires_behind",
        "reference_and_requires",
        "special",
        "angles",
        "noexcept",
        "export",
        "scopes",
        "names",
        "paths",
    ],
)
def test_functions_of_cpp_are_found(text: str, expected: list[Named]) -> None:
    assert named(text, ".cc") == expected


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("bool operator==(const A& o) const", "operator=="),
        ("A& operator=(A&& o) noexcept", "operator="),
        ("int operator()(int a) const", "operator()"),
        ("int operator[](int i)", "operator[]"),
        ("explicit operator std::vector<int>()", "operator std::vector<int>"),
        ("void* operator new(size_t n)", "operator new"),
        ("void operator delete[](void* p)", "operator delete[]"),
        ("A* operator->()", "operator->"),
        ("bool operator<(A o)", "operator<"),
        ("auto operator<=>(A o) const", "operator<=>"),
        ("std::ostream& A::operator<<(std::ostream& o)", "A::operator<<"),
        ('int operator "" _km(long x)', 'operator""_km'),
    ],
)
def test_an_operator_has_its_signs_in_its_name(head: str, name: str) -> None:
    assert named(f"{head} {{ }}\nint g() {{ }}", ".cc") == [(name, 1, 1), ("g", 2, 2)]


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        (
            "__global__ void k(float *a)\n{\n}\n__global__ void __launch_bounds__(256, 2) l(int n) { }",
            ".cu",
            [("k", 1, 3), ("l", 4, 4)],
        ),
        ("template <int N> __device__ __forceinline__ float f() { k<<<1, 2>>>(a); }", ".cuh", [("f", 1, 1)]),
        ("void loop() {\n  char b[4];\n}", ".ino", [("loop", 1, 3)]),
        (
            "@implementation A : B <P> {\n int x;\n}\n- (void)bar {\n}\n+ (int)add:(int)a to:(int)b\n{\n}\n"
            "@end\nint f() { }",
            ".m",
            [("bar", 4, 5), ("add:to:", 6, 8), ("f", 10, 10)],
        ),
    ],
    ids=["kernels", "device", "sketch", "methods"],
)
def test_functions_of_the_languages_beside_c_are_found(text: str, suffix: str, expected: list[Named]) -> None:
    assert named(text, suffix) == expected


@pytest.mark.parametrize("name", ["caf\\u00e9", "\\u4e2d\\u6587", "a\\U000000e9b", "caf\u00e9"])
def test_letters_of_a_name_may_be_written_by_their_number(name: str) -> None:
    assert named(f"int {name}(int a) {{ return a; }}\nint g(void) {{ return 1; }}") == [(name, 1, 1), ("g", 2, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "auto l = [](int x) { return x; };\nstatic const int y = [] { return 3; }();",
        "static struct s x = { .a = 1,\n .f = g };\nint y[] = { 1, 2 }, z[] = { f(3) };",
        "enum e { A, B = F(1) };\nenum class f : int { C };",
        "struct __attribute__((packed)) s { int (*call)(int); };",
        "concept C = requires(T t) { t.x(); };\nint x{1};\nstd::vector<int> v{1, 2};",
        "class A {\n  FRIEND(A, b);\n  A(const A&) = delete;\n  int x = 0;\n  int y{1};\n};",
        "extern int f(int);\ntypedef int (*call)(int);\nusing B = void(int);",
    ],
    ids=["lambdas", "values", "enumerations", "structs", "braces", "members", "declarations"],
)
def test_what_is_no_function_is_not_found_and_the_next_function_is(text: str) -> None:
    lines = text.count("\n") + 2

    assert named(f"{text}\nint next() {{ }}", ".cc") == [("next", lines, lines)]


@pytest.mark.parametrize(
    "parameters",
    [
        " int a;\n struct { int x; } b;",
        " struct s { int x; int y; } *b;\n int a;",
        " const union { int x; char *p; } a, b[2];\n",
        " enum { A, B } a;\n struct { int x; } b;",
    ],
)
def test_an_old_style_parameter_may_bring_its_own_structure(parameters: str) -> None:
    lines = parameters.count("\n") + 5

    found = named(f"int\nf(a, b)\n{parameters}\n{{ return 0;\n}}\nint next() {{ }}")

    assert found == [("f", 1, lines), ("next", lines + 1, lines + 1)]


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        (
            "DECLARE(x, y)\nstruct s { int a; int m() { return a; } };\nint g() { }",
            ".cc",
            [("s::m", 2, 2), ("g", 3, 3)],
        ),
        ("DECLARE(x, y)\nstruct s { int a; } x;\nint g() { }", ".c", [("g", 3, 3)]),
    ],
    ids=["members", "a variable of that name"],
)
def test_a_structure_behind_a_macros_call_is_no_parameter(text: str, suffix: str, expected: list[Named]) -> None:
    assert named(text, suffix) == expected
