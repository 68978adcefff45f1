"""Whether a text is a function of C or C++ with a body: by its first tokens, else by the parser."""

import re
from collections.abc import Iterator
from functools import cache

from tree_sitter import Node, Parser

from cellgate.contract.inspection import Reason
from trainers.data.c_tokens import TOKEN, is_comment, is_name
from trainers.data.graphs.grammar import LANGUAGES, Grammar
from trainers.data.read.error_collector import shown
from trainers.data.read.raw_rows import Defect

# What a function of another language begins with; none of these can begin one of C or C++, where access specifiers
# are followed by a colon.
_FOREIGN_MODIFIERS = frozenset({"public", "private", "protected"})
_FOREIGN_STARTS = frozenset({"def", "func", "fn", "function", "async", "import", "package", "using", "<?"})
_CONTROL = frozenset({"if", "for", "while", "switch", "catch", "return", "sizeof", "else", "do"})
_DEFINITIONS = frozenset({"function_definition", "lambda_expression", "inline_method_definition"})
_GO_METHOD = re.compile(r"func\s*\([^()]*\)\s*\w+\s*\(")
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.MULTILINE | re.DOTALL)
# So many tokens before the body are looked at; a longer head is given to the parser.
MAX_HEAD_TOKENS = 4_000
# Nodes of a tree that are looked at for a definition.
MAX_NODES = 2_000


def check_function(func: str) -> Defect | None:
    """Return why a text is no function, or None where it is one, perhaps cut off before its end.

    Args:
        func: Not empty.
    """
    tokens = _tokens(func)
    first = next(tokens, None)
    if first is None:
        return Defect(reason=Reason.NO_TOKEN, found="only a comment")
    if first == "#":
        return _without_directives(func)
    second = next(tokens, "")
    if (first in _FOREIGN_MODIFIERS and second != ":") or (first in _FOREIGN_STARTS and is_name(second or ";")):
        return Defect(reason=Reason.NO_FUNCTION, found=f"text that begins like another language: {shown(func)}")
    if first == "func" and _GO_METHOD.match(func.lstrip()):
        return Defect(reason=Reason.NO_FUNCTION, found=f"text that begins like another language: {shown(func)}")
    return _by_head(func, first, second, tokens)


def _without_directives(func: str) -> Defect | None:
    """Look at what stands between the lines of the preprocessor: a function's head may be written in two ways."""
    rest = _DIRECTIVE.sub("", func).strip()
    if not rest:
        return Defect(reason=Reason.NO_FUNCTION, found=f"no body: {shown(func)}")
    # A comment before the sign hides a line from the pattern.
    return check_function(rest) if len(rest) < len(func) else _by_parser(func)


def _tokens(func: str) -> Iterator[str]:
    return (found[0] for found in TOKEN.finditer(func) if not is_comment(found[0]))


def _by_head(func: str, first: str, second: str, tokens: Iterator[str]) -> Defect | None:
    """Look for a name and its parameters before the first brace."""
    previous, is_called = first, False
    token = second
    for _ in range(MAX_HEAD_TOKENS):
        if not token:
            return Defect(reason=Reason.NO_FUNCTION, found=f"no body: {shown(func)}")
        if token == "{" or previous == "{":
            return None if is_called else _by_parser(func)
        is_called = is_called or (token == "(" and is_name(previous) and previous not in _CONTROL)
        previous, token = token, next(tokens, "")
    return _by_parser(func)


@cache
def _parsers() -> tuple[Parser, Parser]:
    return Parser(LANGUAGES[Grammar.C]), Parser(LANGUAGES[Grammar.CPP])


def _by_parser(func: str) -> Defect | None:
    if "{" not in func:
        return Defect(reason=Reason.NO_FUNCTION, found=f"no body: {shown(func)}")
    source = func.encode()
    if any(_defines(parser.parse(source).root_node) for parser in _parsers()):
        return None
    return Defect(reason=Reason.NOT_PARSED, found=f"no function that parses: {shown(func)}")


def _defines(root: Node) -> bool:
    waiting, seen = [root], 0
    while waiting and seen < MAX_NODES:
        node = waiting.pop()
        seen += 1
        if node.type in _DEFINITIONS:
            return True
        waiting.extend(reversed(node.children))
    return False
