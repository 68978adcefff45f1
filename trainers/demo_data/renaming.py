"""A function's form that stays the same when its identifiers are renamed."""

import re

KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
    ]
)
TOKEN = re.compile(r'"[^"]*"|[A-Za-z_]\w*|\d\w*|\S')


def renamed(source: str) -> str:
    """Return `source` with every identifier replaced by the order of its first appearance, without layout.

    Names of called functions, types and fields count as identifiers too, so what stays different here stays
    different under any milder rule.
    """
    numbers: dict[str, str] = {}

    def form(token: str) -> str:
        if not (token[0].isalpha() or token[0] == "_") or token in KEYWORDS:
            return token
        return numbers.setdefault(token, f"v{len(numbers)}")

    return " ".join(form(token) for token in TOKEN.findall(source))
