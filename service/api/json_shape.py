"""Depth and numbers of values and members of a JSON text, counted on its bytes before a parser builds them."""

import re
from dataclasses import dataclass

# Possessive, so that a string of any length costs no memory; an unfinished one reaches to the end.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_OPENING, _CLOSING = frozenset(b"[{"), frozenset(b"]}")
_NO_BRACKETS = bytes(set(range(256)) - _OPENING - _CLOSING)


@dataclass(frozen=True, kw_only=True)
class JsonShape:
    """What a JSON text holds at most.

    Args:
        values: Values, containers among them; of a text that is not JSON, any number.
        members: Names with a value, in all objects together.
        depth: Containers inside each other.
    """

    values: int
    members: int
    depth: int


def shape_of(text: bytes, *, most_values: int) -> JsonShape:
    """Return the shape of a JSON text in UTF-8.

    Args:
        text: Need not be valid.
        most_values: With more values the depth is not counted, and is 0.
    """
    bare = _STRING.sub(b"", text)
    brackets = bare.translate(None, _NO_BRACKETS)
    values = 1 + bare.count(b",") + bare.count(b"[") + bare.count(b"{")
    depth = _depth(brackets) if values <= most_values else 0
    return JsonShape(values=values, members=bare.count(b":"), depth=depth)


def _depth(brackets: bytes) -> int:
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in _OPENING else -1
        deepest = max(deepest, depth)
    return deepest
