"""Which of a head's words is the function's name, and where the function begins."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trainers.source_functions.blocks import indent_of
from trainers.source_functions.tokens import (
    ATTRIBUTE_CALLS,
    CPP_STATEMENT_WORDS,
    PRAGMAS,
    QUALIFIERS,
    STATEMENT_WORDS,
    STORAGE_WORDS,
    TYPE_CALLS,
    TYPE_WORDS,
    Kind,
    Token,
    is_upper,
    tokens_of,
)

# A declarator in parentheses in a declarator in parentheses: no more of them are looked into.
MAX_NESTED_DECLARATORS = 4
# Macros that stand for a brace and its head, never for a part of a function's.
_ENDS_OR_BEGINS = re.compile(rb"BEGIN|END(?:_|\Z)|NAMESPACE|Q_OBJECT|Q_GADGET")


# Microsoft's: `_Success_(return != 0)`, `_Ret_maybenull_`.
_ANNOTATION = re.compile(rb"_[A-Z]\w*_\Z")


@dataclass(frozen=True, kw_only=True)
class Declarator:
    """A function's name and where its head's tokens for it stand.

    Args:
        first: Of the name's tokens.
        parameters: The token in which its parameters, or its declarator, stand.
    """

    name: str
    first: int
    parameters: int


def declarator_in(text: bytes, tokens: Sequence[Token], *, scope: str) -> Declarator | None:
    """Return the function that a head declares, null where it declares none.

    Before and after it may stand macros that look just as a function does. Of all names with parentheses it is the
    class's own; else one that is not written as macros are; of these the first with a type before it.

    Args:
        tokens: Without attributes, without what follows parameters.
        scope: The name of the class around, for its constructors.
    """
    operator = next((place for place, token in enumerate(tokens) if token.kind is Kind.OPERATOR), None)
    if operator is not None:
        first = _path_start(tokens, operator)
        return Declarator(name=_joined(text, tokens[first : operator + 1]), first=first, parameters=operator + 1)
    enclosed = _enclosed(text, tokens)
    if enclosed is not None:
        return enclosed
    candidates = [
        _candidate(text, tokens, place)
        for place, token in enumerate(tokens)
        if token.kind is Kind.GROUP and _is_called(tokens, place)
    ]
    if not candidates:
        return None
    marked = [(_marks(tokens, one, scope=scope), one) for one in candidates]
    best = max(marks for marks, _ in marked)
    equals = [one for marks, one in marked if marks == best]
    if best.is_of_class or best.has_type:
        # What has a type, a line and another function before it is a definition of its own.
        own = [
            one for one in equals if _begins_line(text, tokens[0], tokens[_type_start(tokens, one.first)]) is not None
        ]
        return own[-1] if own else equals[0]
    # Macros may stand for a type, or be declarations in lines of their own: then the last is the name.
    is_type = all(token.text in STORAGE_WORDS for token in tokens[: equals[0].first])
    last = candidates[-1] if equals[0].first == 0 else equals[-1]
    indent = _begins_line(text, tokens[0], tokens[last.first])
    if indent is not None and len(indent) <= len(indent_of(text, tokens[0].start)):
        return last
    return equals[-1 if is_type else 0]


def _type_start(tokens: Sequence[Token], name: int) -> int:
    """Return where the words before a name begin, behind the last parentheses."""
    place = name
    while place > 0 and tokens[place - 1].kind is not Kind.GROUP:
        place -= 1
    return place


def _begins_line(text: bytes, first: Token, token: Token) -> bytes | None:
    """Return the indent of a token that begins a line below the first one's, null where it does not."""
    _, is_below, before = text[first.start : token.start].rpartition(b"\n")
    return before if is_below and not before.strip() else None


def _is_called(tokens: Sequence[Token], group: int) -> bool:
    """Return whether a name that a function can have stands before parentheses."""
    before = group - 1
    if before > 0 and tokens[before].kind is Kind.ANGLES:
        before -= 1
    if before < 0 or tokens[before].kind is not Kind.WORD:
        return False
    word = tokens[before].text
    if word in CPP_STATEMENT_WORDS:
        return _has_type(tokens, before)
    return not (
        word in ATTRIBUTE_CALLS
        or word in TYPE_CALLS
        or word in TYPE_WORDS
        or word in STATEMENT_WORDS
        or word in STORAGE_WORDS
        or word[:1].isdigit()
    )


def _candidate(text: bytes, tokens: Sequence[Token], group: int) -> Declarator:
    last = group - 1
    first = _path_start(tokens, last - (tokens[last].kind is Kind.ANGLES))
    return Declarator(name=_joined(text, tokens[first:group]), first=first, parameters=group)


def _path_start(tokens: Sequence[Token], name: int) -> int:
    """Return where a name begins that may be qualified: `a::B<c>::~d`."""
    first = name
    if first > 0 and tokens[first - 1].text == b"~":
        first -= 1
    while first > 1 and tokens[first - 1].kind is Kind.PATH:
        before = first - 2
        if before > 0 and tokens[before].kind is Kind.ANGLES:
            before -= 1
        if tokens[before].kind is not Kind.WORD or tokens[before].text in TYPE_WORDS:
            break
        first = before
    return first


def _joined(text: bytes, tokens: Sequence[Token]) -> str:
    parts = [token.text if token.kind is Kind.OPERATOR else text[token.start : token.end] for token in tokens]
    return " ".join(b"".join(parts).decode(errors="replace").split())


class _Marks(NamedTuple):
    """What speaks for a name, the most first."""

    is_of_class: bool
    is_no_macro: bool
    has_type: bool


def _marks(tokens: Sequence[Token], one: Declarator, *, scope: str) -> _Marks:
    """Return what speaks for a name: it is its class's, it is not written as macros are, a type stands before it."""
    word = tokens[one.parameters - 1].text
    plain = [part.rpartition("<")[0] or part for part in one.name.split("::")]
    is_of_class = "~" in plain[-1] or plain[-1] == scope.partition("<")[0] != ""
    is_of_class |= len(plain) > 1 and plain[-1] == plain[-2]
    is_no_macro = not is_upper(word) and not word.startswith(b"__") and _ANNOTATION.match(word) is None
    return _Marks(is_of_class=is_of_class, is_no_macro=is_no_macro, has_type=_has_type(tokens, one.first))


def _is_type(word: bytes) -> bool:
    """Return whether a word can be a type; what is written as macros are might be one, and is not counted."""
    return word not in STORAGE_WORDS | QUALIFIERS and not is_upper(word) and not word.startswith(b"__")


def _has_type(tokens: Sequence[Token], first: int) -> bool:
    """Return whether what stands directly before a name ends in a type."""
    place = first - 1
    while place >= 0:
        token = tokens[place]
        if token.kind in (Kind.ANGLES, Kind.PATH):
            return True
        if token.kind is Kind.GROUP:
            return place > 0 and tokens[place - 1].text in TYPE_CALLS
        if token.kind is Kind.WORD and _is_type(token.text):
            return True
        place -= 1
    return False


def _enclosed(text: bytes, tokens: Sequence[Token], depth: int = 0) -> Declarator | None:
    """Return the declarator in parentheses before parameters or a size: `(name)(int)`, `(*name(int))[3]`."""
    for place in range(len(tokens) - 1, 0, -1):
        if tokens[place].kind in (Kind.GROUP, Kind.BRACKETS) and tokens[place - 1].kind is Kind.GROUP:
            before = tokens[place - 2] if place > 1 else None
            if before is not None and (before.text in ATTRIBUTE_CALLS or before.text in TYPE_CALLS):
                continue
            name = _name_within(text, tokens[place - 1], depth)
            if name is not None:
                is_macro = before is not None and before.kind is Kind.WORD and before.text not in TYPE_WORDS
                return Declarator(name=name, first=place - 1 - is_macro, parameters=place)
    return None


def _name_within(text: bytes, group: Token, depth: int) -> str | None:
    """Return the name that a declarator in parentheses declares, null where there is a list or a value in them."""
    if depth == MAX_NESTED_DECLARATORS:
        return None
    start, end = group.start + 1, group.end - 1
    tokens = [
        token for token in tokens_of(text, start, end, groups_in(text, start, end)) if token.kind is not Kind.ANGLES
    ]
    inner = _enclosed(text, tokens, depth + 1)
    if inner is not None:
        return inner.name
    group_place = next((place for place, token in enumerate(tokens) if token.kind is Kind.GROUP), len(tokens))
    declared = tokens[:group_place]
    if group_place == 0 or declared[-1].kind is not Kind.WORD or declared[-1].text in TYPE_WORDS:
        return None
    if any(token.kind is Kind.SIGN and token.text not in b"*&^~" for token in declared):
        return None
    return _joined(text, declared[_path_start(declared, len(declared) - 1) :])


def groups_in(text: bytes, start: int, end: int) -> dict[int, int]:
    """Return where the outermost parentheses of a part close, by where they open."""
    groups: dict[int, int] = {}
    depth, opening = 0, start
    for place in range(start, end):
        if text[place] == ord("("):
            opening = place if depth == 0 else opening
            depth += 1
        elif text[place] == ord(")") and depth > 0:
            depth -= 1
            if depth == 0:
                groups[opening] = place + 1
    return groups


def start_of(text: bytes, tokens: Sequence[Token], one: Declarator, *, scope: str) -> int:
    """Return where a function begins: behind macros that stand before it in lines of their own.

    A macro's call in its own line, and any macro with an empty line or a comment behind it, is a declaration by itself.
    What is left must have a type, or be a name that needs none.

    Args:
        scope: The name of the class around, for its constructors.
    """
    start = tokens[0].start
    needs_none = scope != "" and one.name == scope.partition("<")[0]
    for place in range(one.first):
        token, following = tokens[place], tokens[place + 1]
        if token.text in STORAGE_WORDS or token.text in TYPE_WORDS:
            continue
        between = text[token.end : following.start]
        lines = between.count(b"\n")
        is_call = token.kind is Kind.GROUP and place > 0 and tokens[place - 1].text not in ATTRIBUTE_CALLS | TYPE_CALLS
        is_own = is_call or _ENDS_OR_BEGINS.search(token.text) is not None
        if lines >= (1 if is_own else 2) and (
            _is_whole(tokens, place + 1, one) or (needs_none and place + 1 == one.first)
        ):
            start = following.start
    return start


def with_attributes(text: bytes, tokens: Sequence[Token], start: int) -> int:
    """Return where a function begins with the attributes before it; an empty line or a comment divides them."""
    place = next(place for place, token in enumerate(tokens) if token.start == start)
    while place > 0 and text.count(b"\n", tokens[place - 1].end, tokens[place].start) < 2:
        if tokens[place - 1].kind is Kind.BRACKETS:
            place -= 1
        elif place > 1 and tokens[place - 1].kind is Kind.GROUP and tokens[place - 2].text in ATTRIBUTE_CALLS - PRAGMAS:
            place -= 2
        else:
            break
    return tokens[place].start


def _is_whole(tokens: Sequence[Token], place: int, one: Declarator) -> bool:
    """Return whether a function's head can begin at a token."""
    if place < one.first:
        return any(token.kind in (Kind.WORD, Kind.ANGLES) for token in tokens[place : one.first])
    # A constructor, a destructor, or a macro that stands for the whole head.
    return "~" in one.name or "::" in one.name or is_upper(tokens[one.first].text)
