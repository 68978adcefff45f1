"""Where braces and parentheses close, also where one of them is missing."""

import re
from dataclasses import dataclass
from functools import cache

from trainers.source_functions.tokens import CPP_STATEMENT_WORDS, STATEMENT_WORDS

# Lines that are indented deeper than that, or by tabs and spaces mixed, are not looked at for the next definition.
MAX_INDENT = 12
MAX_LINE_BYTES = 512
# So far behind its first word, and with so many parentheses in its own, a definition's brace is looked for.
MAX_DEFINITION_BYTES = 4096
# So far behind its first word its parameters begin.
MAX_NAME_BYTES = 256
MAX_DEFINITION_MARKS = 64
NO_DEFINITION = STATEMENT_WORDS | CPP_STATEMENT_WORDS | {b"typedef", b"using", b"co_return", b"co_yield", b"co_await"}
_WORD = rb"[A-Za-z_~$][\w$]*+(?:<[^<>;{}()]*+>)?+(?:::~?[\w$]++(?:<[^<>;{}()]*+>)?+)*+"
_DEFINITION = re.compile(rb"((?:%b(?:\s++[*&\s]*+|[*&][*&\s]*+))*+)(?<![\w$])(%b)\s*+\(" % (_WORD, _WORD))
_WORDS = re.compile(rb"[\w$]+")
_BODY_MARK = re.compile(rb"[{};=]")
_GROUP_MARK = re.compile(rb"[(){};]")
_OLD_STYLE_PARAMETERS = re.compile(rb"\(\s*\w+(?:\s*,\s*\w+)*\s*\)\s*[A-Za-z_]")
_SPACE = re.compile(rb"\s*")
_INDENT = re.compile(rb"[ \t]*")


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where something ends.

    Args:
        is_closed: Its own brace or parenthesis was found; else it ends before what looks like the next definition, or
            with the text.
    """

    end: int
    is_closed: bool


def indent_of(text: bytes, place: int) -> bytes:
    """Return the white space that a place's line begins with; far into a line, none."""
    line = text.rfind(b"\n", max(0, place - MAX_LINE_BYTES), place) + 1
    if line == 0 and place > MAX_LINE_BYTES:
        return b""
    found = _INDENT.match(text, line, place)
    return found.group() if found is not None else b""


@cache
def _marks(kind: bytes, indent: bytes) -> re.Pattern[bytes]:
    """Return what finds the next brace (or parenthesis) and the next line that begins with a word at an indent."""
    return re.compile(rb"[%b]|\n%b(?=[A-Za-z_~])" % (kind, indent))


def _watched(indent: bytes) -> bytes | None:
    """Return an indent at which the next definition is looked for, null where none is."""
    is_plain = len(indent) <= MAX_INDENT and len(set(indent)) <= 1
    return indent if is_plain else None


def block_extent(text: bytes, opening: int, indent: bytes, *, distrusts: bool) -> Extent:
    """Return where the brace that opens at a place closes.

    It does not where a line with the indent of the block's own head looks like a definition, while the block's lines
    are indented more: a brace is missing, or a macro hides it.

    Args:
        indent: Of the head.
        distrusts: Braces do not match in the file: such a line counts whatever the block's indent is.
    """
    watched = _watched(indent)
    pattern = _marks(rb"{}", watched) if watched is not None else re.compile(rb"[{}]")
    depth, place = 1, opening + 1
    is_indented: bool | None = None
    while (found := pattern.search(text, place)) is not None:
        place = found.end()
        sign = text[found.start()]
        if sign == ord("{"):
            depth += 1
        elif sign == ord("}"):
            depth -= 1
            if depth == 0:
                return Extent(end=place, is_closed=True)
        else:
            if is_indented is None:
                is_indented = _is_indented(text, opening, indent)
            if (is_indented or distrusts) and looks_like_definition(text, place, distrusts=distrusts):
                return Extent(end=found.start(), is_closed=False)
    return Extent(end=len(text), is_closed=False)


def _is_indented(text: bytes, opening: int, indent: bytes) -> bool:
    """Return whether the first line below an opening brace is indented more than its head."""
    line = text.find(b"\n", opening)
    found = _SPACE.match(text, line) if line >= 0 else None
    return found is not None and len(indent_of(text, found.end())) > len(indent)


def group_extent(text: bytes, opening: int, indent: bytes, *, distrusts: bool) -> Extent:
    """Return where the parenthesis that opens at a place closes; blocks in it are passed over."""
    watched = _watched(indent)
    pattern = _marks(rb"(){}", watched) if watched is not None else re.compile(rb"[(){}]")
    depth, place = 1, opening + 1
    while (found := pattern.search(text, place)) is not None:
        place = found.end()
        sign = text[found.start()]
        if sign == ord("("):
            depth += 1
        elif sign == ord(")"):
            depth -= 1
            if depth == 0:
                return Extent(end=place, is_closed=True)
        elif sign == ord("{"):
            block = block_extent(text, found.start(), indent, distrusts=distrusts)
            if not block.is_closed:
                return block
            place = block.end
        elif sign == ord("}") or looks_like_definition(text, place, distrusts=distrusts):
            return Extent(end=found.start(), is_closed=False)
    return Extent(end=len(text), is_closed=False)


def looks_like_definition(text: bytes, place: int, *, distrusts: bool) -> bool:
    """Return whether a line reads as the head of a function with a body: a type, a name, parameters, a brace.

    Args:
        distrusts: A name alone is enough, without a type.
    """
    limit = min(len(text), place + MAX_DEFINITION_BYTES)
    found = _DEFINITION.match(text, place, min(limit, place + MAX_NAME_BYTES))
    if found is None or (found.end(1) == place and not (distrusts or b"::" in found.group(2))):
        return False
    words = _WORDS.findall(found.group(1))
    if found.group(2) in NO_DEFINITION or not NO_DEFINITION.isdisjoint(words):
        return False
    opening = found.end() - 1
    closing = _closing(text, opening, limit)
    if closing is None:
        return False
    mark = _BODY_MARK.search(text, closing, limit)
    if mark is None:
        return False
    if mark.group() == b"{":
        return True
    if mark.group() != b";" or _OLD_STYLE_PARAMETERS.match(text, opening, limit) is None:
        return False
    brace = text.find(b"{", closing, limit)
    return brace >= 0 and text[closing:brace].rstrip().endswith(b";") and b"}" not in text[closing:brace]


def _closing(text: bytes, opening: int, limit: int) -> int | None:
    """Return where parentheses close that hold no brace and no semicolon."""
    depth = 0
    place = opening
    for _ in range(MAX_DEFINITION_MARKS):
        found = _GROUP_MARK.search(text, place, limit)
        if found is None or found.group() in b"{};":
            return None
        depth += 1 if found.group() == b"(" else -1
        place = found.end()
        if depth == 0:
            return place
    return None
