"""Whether a text is a function of C or C++ with a body: by its first tokens, else by the parser."""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache

from tree_sitter import Node, Parser

from cellgate.contract.inspection import Reason
from trainers.data.c_tokens import TOKEN, is_comment, is_name
from trainers.data.graphs.grammar import LANGUAGES, Grammar
from trainers.data.read.error_collector import shown
from trainers.data.read.foreign import is_foreign
from trainers.data.read.raw_rows import Defect

# What may stand before a parenthesis in a head without being the function's name.
_NO_NAMES = frozenset(
    {
        *("if", "for", "while", "switch", "catch", "return", "sizeof", "else", "do"),
        *("__attribute__", "__attribute", "__declspec", "alignas", "_Alignas", "decltype"),
    }
)
_NO_MACROS = frozenset({"struct", "union", "enum", "class", "namespace", "typedef"})
_OF_CPP = frozenset({"class", "namespace"})
_DEFINITIONS = frozenset({"function_definition", "lambda_expression", "inline_method_definition"})
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.MULTILINE | re.DOTALL)
# So many tokens before the body are looked at; a longer head is given to the parser.
MAX_HEAD_TOKENS = 4_000
# Nodes of a tree that are looked at for a definition.
MAX_NODES = 2_000


def check_function(func: str, *, is_stated: bool = False) -> Defect | None:
    """Return why a text is no function, or None where it is one, perhaps cut off before its end.

    Args:
        func: Not empty.
        is_stated: Whether the set says that it is C or C++: then it is of no other language, whatever it begins with.
    """
    tokens = _tokens(func)
    first = next(tokens, None)
    if first is None:
        return Defect(reason=Reason.NO_TOKEN, found="only a comment")
    if first == "#":
        return _without_directives(func, is_stated=is_stated)
    head: list[str] = []
    for token in itertools.islice(itertools.chain((first,), tokens), MAX_HEAD_TOKENS):
        if token == "{":
            break
        head.append(token)
    if not is_stated and is_foreign(func, head):
        return Defect(reason=Reason.NO_FUNCTION, found=f"text that begins like another language: {shown(func)}")
    if len(head) == MAX_HEAD_TOKENS:
        return _by_parser(func, first)
    if token != "{":
        return Defect(reason=Reason.NO_FUNCTION, found=f"no body: {shown(func)}")
    return None if _is_head(head) else _by_parser(func, first)


def _without_directives(func: str, *, is_stated: bool) -> Defect | None:
    """Look at what stands between the lines of the preprocessor: a function's head may be written in two ways."""
    rest = _DIRECTIVE.sub("", func).strip()
    if not rest:
        return Defect(reason=Reason.NO_FUNCTION, found=f"no body: {shown(func)}")
    # A comment before the sign hides a line from the pattern.
    return check_function(rest, is_stated=is_stated) if len(rest) < len(func) else _by_parser(func, "#")


def _tokens(func: str) -> Iterator[str]:
    return (found[0] for found in TOKEN.finditer(func) if not is_comment(found[0]))


def _is_head(head: Sequence[str]) -> bool:
    """Return whether what stands before the first brace is a name and its parameters, or a macro in place of them."""
    is_called, depth = False, 0
    for previous, token in itertools.pairwise(head):
        is_called = is_called or (token == "(" and is_name(previous) and previous not in _NO_NAMES)
        depth += (token == "(") - (token == ")")
    if is_called:
        # Behind a sign of assignment stand the values of an array.
        return head[-1] != "=" or depth > 0
    return bool(head) and head[-1].isupper() and all(is_name(one) and one not in _NO_MACROS for one in head)


@cache
def _parsers() -> tuple[Parser, Parser]:
    return Parser(LANGUAGES[Grammar.C]), Parser(LANGUAGES[Grammar.CPP])


def _by_parser(func: str, first: str) -> Defect | None:
    if "{" not in func:
        return Defect(reason=Reason.NO_FUNCTION, found=f"no body: {shown(func)}")
    source = func.encode()
    c, cpp = _parsers()
    # To the parser for C a class is a function whose type is `class`.
    if any(_defines(parser.parse(source).root_node) for parser in ((cpp,) if first in _OF_CPP else (c, cpp))):
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
