"""Of the branches of an `#if` those that cannot stand together, made blank."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from trainers.source_functions.skeleton import Directive

_CONDITION = re.compile(rb"#\s*(if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b(.*)", re.DOTALL)
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*|\\\n", re.DOTALL)
_DEFINED = re.compile(rb"(!?)\s*(?:defined\s*(?:\(\s*(\w+)\s*\)|\s(\w+))|(\w+))\s*\Z")


@dataclass(kw_only=True, eq=False)
class _Branch:
    """One branch of a conditional part.

    Args:
        condition: Its text, with the value that it must have.
        is_dead: Never compiled, as below `#if 0`.
        braces: Opened less closed ones.
        boundary: After its last `;` or `}`.
        has_ending: Something stands behind that.
    """

    start: int
    condition: tuple[bytes, bool]
    is_dead: bool = False
    end: int = 0
    braces: int = 0
    parentheses: int = 0
    boundary: int = 0
    has_ending: bool = False

    @property
    def is_balanced(self) -> bool:
        return self.braces == 0 and self.parentheses == 0


@dataclass(kw_only=True)
class _Group:
    """The branches of one `#if` up to its `#endif`."""

    branches: list[_Branch] = field(default_factory=list)


def hidden_branches(source: bytes, text: bytearray, directives: Sequence[Directive]) -> list[tuple[int, int]]:
    """Return the parts that are to be left out so that what stays has matching braces, in order and apart.

    Branches that are whole by themselves all stay. Where one opens or closes a brace for what stands outside, the first
    counts, and the same condition has the same value further on. Where each ends in mid-declaration, the first ending
    stays. What stands below `#if 0` never counts.

    Args:
        source: The whole text, for the conditions.
        text: Its skeleton.
        directives: In the order of the source.
    """
    groups: list[_Group] = []
    hidden: list[tuple[int, int]] = []
    values: dict[bytes, bool] = {}
    before = 0
    for directive in directives:
        found = _CONDITION.match(source, directive.start, directive.end)
        if found is None:
            continue
        word = found.group(1)
        if groups:
            _count(text, groups[-1].branches[-1], before, directive.start)
        before = directive.end
        if word in (b"if", b"ifdef", b"ifndef"):
            groups.append(_Group(branches=[_branch(found, directive)]))
        elif groups:
            groups[-1].branches[-1].end = directive.start
            if word == b"endif":
                group = groups.pop()
                kept = _choose(group, values, hidden)
                if groups:
                    _add(groups[-1].branches[-1], kept)
            else:
                groups[-1].branches.append(_following(groups[-1], found, directive))
    return _merged(hidden)


def _count(text: bytearray, branch: _Branch, start: int, end: int) -> None:
    """Add what stands in a part of a branch."""
    branch.braces += text.count(b"{", start, end) - text.count(b"}", start, end)
    branch.parentheses += text.count(b"(", start, end) - text.count(b")", start, end)
    boundary = max(text.rfind(b";", start, end), text.rfind(b"}", start, end))
    if boundary >= 0:
        branch.boundary, branch.has_ending = boundary + 1, False
    branch.has_ending |= bool(text[max(start, boundary + 1) : end].strip())


def _add(outer: _Branch, kept: Sequence[_Branch]) -> None:
    """Add to a branch what stays of the conditional part in it."""
    for branch in kept:
        outer.braces += branch.braces
        outer.parentheses += branch.parentheses
        if branch.boundary > branch.start:
            outer.boundary, outer.has_ending = branch.boundary, branch.has_ending
        outer.has_ending |= branch.has_ending


def _branch(found: re.Match[bytes], directive: Directive) -> _Branch:
    condition = _condition_of(found.group(1), found.group(2))
    return _Branch(
        start=directive.end,
        boundary=directive.end,
        condition=condition,
        is_dead=condition in ((b"0", True), (b"1", False)),
    )


def _following(group: _Group, found: re.Match[bytes], directive: Directive) -> _Branch:
    """Return the branch that an `#elif` or `#else` begins."""
    first = group.branches[0].condition
    if first == (b"1", True):
        return _Branch(start=directive.end, boundary=directive.end, condition=(b"0", True), is_dead=True)
    if found.group(1) != b"else":
        return _branch(found, directive)
    is_second = len(group.branches) == 1
    condition = (first[0], not first[1]) if is_second else (b"", True)
    return _Branch(start=directive.end, boundary=directive.end, condition=condition)


def _condition_of(word: bytes, text: bytes) -> tuple[bytes, bool]:
    """Return what a branch asks for: a name or a whole expression, and the value that it must have."""
    text = b" ".join(_COMMENT.sub(b" ", text).split())
    if word in (b"ifdef", b"elifdef"):
        return text, True
    if word in (b"ifndef", b"elifndef"):
        return text, False
    found = _DEFINED.match(text)
    if found is None:
        return text, True
    name = found.group(2) or found.group(3) or found.group(4)
    return name, not found.group(1)


def _choose(group: _Group, values: dict[bytes, bool], hidden: list[tuple[int, int]]) -> Sequence[_Branch]:
    """Return the branches that stay, and hide the others or what cannot stand beside the first."""
    hidden.extend((branch.start, branch.end) for branch in group.branches if branch.is_dead)
    alive = [branch for branch in group.branches if not branch.is_dead]
    if all(branch.is_balanced for branch in alive):
        _hide_endings(alive, hidden)
        return alive
    possible = [one for one in alive if values.get(one.condition[0], one.condition[1]) == one.condition[1]]
    chosen = possible[:1]
    if chosen and chosen[0].condition[0]:
        name, value = chosen[0].condition
        values[name] = value
    hidden.extend((branch.start, branch.end) for branch in alive if branch not in chosen)
    return chosen


def _hide_endings(branches: Sequence[_Branch], hidden: list[tuple[int, int]]) -> None:
    """Of branches that end in mid-declaration hide all endings but the first."""
    endings = [(branch.boundary, branch.end) for branch in branches if branch.has_ending]
    hidden.extend(endings[1:])


def _merged(parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
