"""The model's reading of an imported graph's node, from its label and its source text."""

from dataclasses import dataclass
from functools import lru_cache
from re import compile as pattern

from trainers.data.c_tokens import KEYWORDS, is_name, tokens_of

# Of longer text, as a whole function's, only the beginning is looked at.
MAX_CODE_CHARS = 400
CACHED_NODES = 1 << 16
PLACEHOLDER = pattern(r"<(?:empty|unknown)>")
DECLARATION_WORDS = ("local", "param", "decl")
EXPRESSION_WORDS = ("call", "expression", "condition")
LITERAL_WORDS = frozenset({"true", "false", "NULL", "nullptr"})

_BINARY = (
    "= += -= *= /= %= &= |= ^= <<= >>=",
    "? :",
    "||",
    "&&",
    "|",
    "^",
    "&",
    "== !=",
    "< > <= >=",
    "<< >>",
    "+ -",
    "* / %",
)
# How loosely an operator binds: the lowest one outside all brackets is the expression's own.
BINARY_STRENGTH = {operator: place for place, level in enumerate(_BINARY) for operator in level.split()}
PREFIX_STRENGTH, POSTFIX_STRENGTH, MEMBER_STRENGTH = len(_BINARY), len(_BINARY) + 1, len(_BINARY) + 2
PREFIXES = frozenset({"!", "~", "-", "+", "*", "&", "++", "--"})
POSTFIXES = frozenset({"++", "--"})
MEMBERS = frozenset({"->", "."})
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """A node's token and its four features; empty where it has none.

    Args:
        declares: The variable that it declares, of type `data_type`.
    """

    token: str = ""
    api: str = ""
    data_type: str = ""
    literal: str = ""
    operator: str = ""
    declares: str = ""


@lru_cache(maxsize=CACHED_NODES)
def meaning_of(label: str, code: str) -> Meaning:
    """Return the token and the features of a node.

    Args:
        label: Its kind, as Joern or another tool names it.
        code: Its source text, cut at MAX_CODE_CHARS by the caller.
    """
    tokens = tokens_of(PLACEHOLDER.sub(" ", code))
    while tokens and tokens[-1] == ";":
        tokens.pop()
    kind = label.lower()
    if not tokens:
        return Meaning()
    if len(tokens) == 1:
        return _single(tokens[0])
    if any(word in kind for word in DECLARATION_WORDS):
        return _declaration(tokens)
    if any(word in kind for word in EXPRESSION_WORDS):
        return _expression(tokens)
    return Meaning(token=tokens[0])


def _single(token: str) -> Meaning:
    if token[0] == '"':
        # A string's content is left to the text model.
        return Meaning(literal='""')
    if token[0] == "'" or token[0].isdigit() or token[:1] == "." or token in LITERAL_WORDS:
        return Meaning(token=token, literal=token)
    return Meaning(token=token)


def _declaration(tokens: list[str]) -> Meaning:
    """Read `type name`, `type *name` or `type name[n]`; an initialiser after `=` is not part of it."""
    declarator = tokens[: tokens.index("=")] if "=" in tokens else tokens
    size_at = declarator.index("[") if "[" in declarator else len(declarator)
    names = [place for place in range(size_at) if is_name(declarator[place]) and declarator[place] not in KEYWORDS]
    if not names:
        return Meaning(token=tokens[0])
    name_at = names[-1]
    suffix = "*" * declarator[:size_at].count("*") + "[]" * declarator.count("[")
    words = [word for word in declarator[:name_at] if is_name(word)]
    data_type = f"{' '.join(words)}{suffix}" if words else ""
    return Meaning(token=declarator[name_at], data_type=data_type, declares=declarator[name_at])


def _expression(tokens: list[str]) -> Meaning:
    operator = _loosest(tokens)
    if operator is not None and operator not in MEMBERS:
        return Meaning(token=operator, operator=operator)
    called = _called(tokens)
    if called is not None:
        return Meaning(token=tokens[called], api=tokens[called] if called == 0 else "")
    if operator is not None:
        return Meaning(token=operator, operator=operator)
    return Meaning(token=tokens[0])


def _called(tokens: list[str]) -> int | None:
    """Return the place of the name that a call calls: the one before the parenthesis that the last token closes."""
    if tokens[-1] != ")":
        return None
    depth = 0
    for place in range(len(tokens) - 1, 0, -1):
        depth += (tokens[place] in CLOSING) - (tokens[place] in OPENING)
        if depth == 0:
            return place - 1 if is_name(tokens[place - 1]) else None
    return None


def _loosest(tokens: list[str]) -> str | None:
    """Return the operator that an expression is made by: outside brackets, the one that binds least."""
    depth, best, found = 0, MEMBER_STRENGTH + 1, None
    after_operand = False
    for token in tokens:
        if token in CLOSING:
            depth -= 1
        if depth == 0:
            strength = _strength(token, after_operand)
            if strength is not None and strength < best:
                best, found = strength, token
        if token in OPENING:
            depth += 1
        after_operand = token in CLOSING or is_name(token) or token[0] in "\"'." or token[0].isdigit()
        after_operand = after_operand and token not in MEMBERS
    return found


def _strength(token: str, after_operand: bool) -> int | None:
    if after_operand:
        if token in MEMBERS:
            return MEMBER_STRENGTH
        return POSTFIX_STRENGTH if token in POSTFIXES else BINARY_STRENGTH.get(token)
    return PREFIX_STRENGTH if token in PREFIXES else None
