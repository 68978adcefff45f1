"""Comments, strings and directives become blank, each byte in its place."""

import pytest

from trainers.source_functions.skeleton import skeleton_of


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a/*{*/b", "a     b"),
        ("a//{ \\\n}\nb", "a     \n \nb"),
        ("a/*{\n", "a   \n"),
        ('"{\\"}" {', '"    " {'),
        ('"{\n}', '" \n}'),
        ("'{' '\\'' \"'\"", "' ' '  ' \" \""),
        ("1'000'{ 0xF'F'F{ u8'}' L'}'", "1'000'{ 0xF'F'F{ u8' ' L' '"),
        ('R"x({)" })x" {', 'R"         " {'),
        ('R"({ {', 'R"    '),
        ("x\n # define A { \\\n }\n{", "x\n               \n  \n{"),
        ('#define A "/*"\n{', "              \n{"),
        ("/* a */ #if A /* {\n */ {\nb", "                  \n     \nb"),
        ("a # {", "a # {"),
        ("# include <a/*b>\n{", "                \n{"),
        ('f() <% ??< "??>" ??> %>', 'f()  {   { "   "   }  }'),
    ],
    ids=[
        "comment",
        "line",
        "open_comment",
        "string",
        "open_string",
        "characters",
        "digits",
        "raw",
        "open_raw",
        "directive",
        "string_in_directive",
        "comment_in_directive",
        "sign",
        "comment_in_angles",
        "other_spellings",
    ],
)
def test_what_only_looks_like_code_becomes_blank(source: str, expected: str) -> None:
    text, _ = skeleton_of(source.encode())

    assert bytes(text).decode() == expected
