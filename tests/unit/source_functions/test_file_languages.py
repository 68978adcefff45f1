"""A file's language is that of its suffix, and a header's that of its content."""

import pytest

from trainers.source_functions.division import divide
from trainers.source_functions.language import Language


@pytest.mark.parametrize(
    ("suffix", "language"),
    [
        (".c", Language.C),
        (".m", Language.C),
        (".h", Language.C),
        ("", Language.C),
        (".cc", Language.CPP),
        (".CPP", Language.CPP),
        (".C", Language.CPP),
        (".H", Language.CPP),
        (".cu", Language.CPP),
        (".ino", Language.CPP),
    ],
)
def test_a_suffix_says_the_language(suffix: str, language: Language) -> None:
    assert divide("int f(void) { }", suffix=suffix).language is language


@pytest.mark.parametrize(
    "text",
    [
        "namespace a { }",
        "template <class T> T f(T t) { }",
        "class A : public B { };",
        "class A;",
        "struct A {\n public:\n  int a;\n};",
        "int f(std::string s);",
        '#ifdef __cplusplus\nextern "C" {\n#endif\nclass A {\n};\n',
    ],
)
def test_a_header_with_words_of_cpp_is_cpp(text: str) -> None:
    assert divide(text, suffix=".h").language is Language.CPP


@pytest.mark.parametrize(
    "text",
    [
        "int class; int template; char *namespace;",
        '/* a::b */ // class A {\nchar *s = "std::string";',
        "#ifdef __cplusplus\nclass A { };\n#endif\nint f(void);",
        "#if defined(__cplusplus)\n#if X\n#endif\nnamespace a { }\n#else\nint f(void);\n#endif",
        "struct s { int a : 3; };",
    ],
)
def test_a_header_without_words_of_cpp_or_with_them_for_cpp_alone_is_c(text: str) -> None:
    assert divide(text, suffix=".h").language is Language.C
