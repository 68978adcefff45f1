"""The functions of a skeleton, by its braces: what each opens, where it closes, and what was not understood."""

import re
from dataclasses import dataclass, field

from trainers.source_functions.blocks import block_extent, group_extent, indent_of, looks_like_definition
from trainers.source_functions.heads import Head, Opens, read_head

# A name shows so many of the scopes that a function stands in, the innermost ones.
MAX_SCOPES = 32
MAX_SCOPE_CHARS = 200
# So far back the names of old-style parameters are looked for.
MAX_OLD_STYLE_BYTES = 4096
# A head is read again behind each block in it, so many times.
MAX_REQUIREMENTS = 16
_EVENT = re.compile(rb"[{}();]")
_CATCH = re.compile(rb"\s*catch\s*\(")
_SPACE = re.compile(rb"\s*")
_STATEMENT = re.compile(rb"\s*(?:if|for|while|switch|else|do|return|case|goto|break|continue)\b")
_OLD_STYLE_HEAD = re.compile(rb"[A-Za-z_$][\w$]*\s*(\(\s*[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*\s*\))\s*(?=[A-Za-z_])")
# Between the names of old-style parameters and a body that one of them declares, and behind that body.
_OLD_STYLE_TYPE = re.compile(
    rb"(?:[\w\s*,\[\]]*+(?:\{[^{}]*+\}[\w\s*,\[\]]*+)?;)*+\s*(?:const\s+)?(?:struct|union|enum)\b[\w\s]*+"
)
_OLD_STYLE_REST = re.compile(
    rb"[\s*]*+(\w++)[\w\s*,\[\]]*+;(?:[\w\s*,\[\]()]*+;)*+\s*(?:\{|(?:const\s+)?(?:struct|union|enum)\b[\w\s]*+\{)"
)
_LABEL = rb"[A-Za-z_]\w*[ \t]*:(?!:)"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Where a function stands in a text, and its name with its scopes."""

    name: str
    start: int
    end: int


@dataclass(kw_only=True)
class Outline:
    """What a text was divided into.

    Args:
        functions: In their order; they do not overlap.
        odd: Parts that are neither functions nor declarations.
        broken: Parts in which braces or parentheses do not match, functions among them.
    """

    functions: list[Definition] = field(default_factory=list)
    odd: list[tuple[int, int]] = field(default_factory=list)
    broken: list[tuple[int, int]] = field(default_factory=list)


def outline_of(text: bytes) -> Outline:
    """Return the functions of a skeleton and what in it was not understood, in time proportional to it."""
    reader = _Reader(text)
    reader.read()
    return reader.outline


class _Reader:
    """Goes through a text once, from declaration to declaration.

    Args:
        text: A skeleton, without branches that cannot stand beside others.
    """

    def __init__(self, text: bytes) -> None:
        self.outline = Outline()
        self._text = text
        self._scopes: list[str] = []
        self._distrusts = False
        # More braces close than open: one that opens is hidden by a macro, or missing.
        self._lacks_opening = text.count(b"}") > text.count(b"{")
        self._begin(0)
        self._run_start = 0

    def read(self) -> None:
        """Read all of the text."""
        place = 0
        while (found := _EVENT.search(self._text, place)) is not None:
            at = found.start()
            match found.group():
                case b";":
                    place = self._end_declaration(at)
                case b"(":
                    place = self._group(at)
                case b")":
                    place = at + 1
                    self.outline.broken.append((at, place))
                case b"{":
                    place = self._opened(at)
                case _:
                    place = self._closed(at)

    def _begin(self, place: int) -> None:
        """Begin the next declaration."""
        self._start = place
        self._groups: dict[int, int] = {}
        self._constructor: Head | None = None
        self._requirements = 0

    def _end_declaration(self, at: int) -> int:
        if _STATEMENT.match(self._text, self._start) is not None:
            self._mark_odd(self._start, at + 1)
        self._begin(at + 1)
        return at + 1

    def _group(self, at: int) -> int:
        extent = group_extent(self._text, at, self._indent(), distrusts=self._distrusts)
        if extent.is_closed:
            self._groups[at] = extent.end
            return extent.end
        self._mark_odd(self._start, extent.end)
        self.outline.broken.append((self._start, extent.end))
        self._begin(extent.end)
        return extent.end

    def _opened(self, at: int) -> int:
        """Take a brace that opens outside of functions."""
        if (end := self._old_style_type(at)) is not None:
            return end
        head = self._head(at) if self._constructor is None else self._member_or_body(at, self._constructor)
        match head.opens:
            case Opens.SCOPE:
                self._scopes.append(head.name[:MAX_SCOPE_CHARS])
                self._begin(at + 1)
                self._run_start = at + 1
                return at + 1
            case Opens.FUNCTION:
                return self._function(head, at)
            case Opens.UNKNOWN | Opens.NOTHING:
                return self._unknown(at)
            case _:
                return self._pass_over(head, at)

    def _head(self, at: int) -> Head:
        scope = self._scopes[-1] if self._scopes else ""
        head = read_head(self._text, self._start, at, self._groups, scope=scope)
        if head.opens is Opens.NOTHING and (found := self._old_style(at)) is not None:
            return read_head(self._text, found[0], found[1].end(1), {found[1].start(1): found[1].end(1)}, scope=scope)
        if head.opens in (Opens.DECLARATION, Opens.UNKNOWN) and (start := self._later_start(at)) is not None:
            return read_head(self._text, start, at, self._groups, scope=scope)
        return head

    def _old_style(self, at: int) -> tuple[int, re.Match[bytes]] | None:
        """Return where a function with parameters declared before its brace begins, and its name and parameters."""
        begin = max(self._run_start, at - MAX_OLD_STYLE_BYTES)
        last = None
        for found in _OLD_STYLE_HEAD.finditer(self._text, begin, at):
            last = found
        if last is None:
            return None
        return max(begin, self._text.rfind(b";", begin, last.start()) + 1), last

    def _old_style_type(self, at: int) -> int | None:
        """Return where the body ends of a structure that an old-style parameter is declared with, null for others."""
        found = self._old_style(at)
        if found is None or _OLD_STYLE_TYPE.fullmatch(self._text, found[1].end(), at) is None:
            return None
        extent = block_extent(self._text, at, self._indent(), distrusts=self._distrusts)
        rest = _OLD_STYLE_REST.match(self._text, extent.end, extent.end + MAX_OLD_STYLE_BYTES)
        names = re.findall(rb"\w+", found[1].group(1))
        return extent.end if extent.is_closed and rest is not None and rest.group(1) in names else None

    def _later_start(self, at: int) -> int | None:
        """Return where a definition begins within a head: a semicolon is missing, or a macro has it."""
        place = self._text.rfind(b"\n", self._start, at)
        indent = self._indent()
        while place >= 0:
            begins = place + 1 + len(indent)
            if self._text[place + 1 : begins] == indent and looks_like_definition(self._text, begins, distrusts=False):
                return begins if self._text[self._start : begins].strip() else None
            place = self._text.rfind(b"\n", self._start, place)
        return None

    def _member_or_body(self, at: int, head: Head) -> Head:
        """Return what a brace opens in or behind a constructor's list of members."""
        before = self._text[self._start : at].rstrip()
        opens = Opens.MEMBER if before and (before[-1:].isalnum() or before[-1:] in b"_>$") else Opens.FUNCTION
        return Head(opens=opens, name=head.name, start=head.start, is_try=head.is_try)

    def _function(self, head: Head, at: int) -> int:
        indent = indent_of(self._text, head.start)
        end, is_closed = self._block(at, indent)
        while head.is_try and is_closed and (found := _CATCH.match(self._text, end)) is not None:
            group = group_extent(self._text, found.end() - 1, indent, distrusts=self._distrusts)
            opening = self._text.find(b"{", group.end)
            if not group.is_closed or opening < 0 or self._text[group.end : opening].strip():
                break
            end, is_closed = self._block(opening, indent)
        if is_closed and self._lacks_opening and not self._scopes:
            end = self._real_end(at, end, indent)
        name = "::".join([*self._scope_names(), head.name])
        self.outline.functions.append(Definition(name=name, start=head.start, end=end))
        self._begin(end)
        self._run_start = end
        return end

    def _block(self, at: int, indent: bytes) -> tuple[int, bool]:
        """Return where a block ends, and whether at its own brace."""
        extent = block_extent(self._text, at, indent, distrusts=self._distrusts)
        if not extent.is_closed and extent.end == len(self._text) and not self._distrusts:
            # Once only: from here on each line that looks like a definition is taken for one.
            self._distrusts = True
            extent = block_extent(self._text, at, indent, distrusts=True)
        if extent.is_closed:
            return extent.end, True
        self.outline.broken.append((self._start, extent.end))
        last_brace = self._text.rfind(b"}", at, extent.end)
        return (last_brace + 1 if last_brace >= 0 else at + len(self._text[at : extent.end].rstrip())), False

    def _real_end(self, at: int, end: int, indent: bytes) -> int:
        """Return where a function ends whose last brace is indented, since one that opens is hidden."""
        closing_indent = indent_of(self._text, end - 1)
        is_deeper = len(closing_indent) > len(indent) and len(closing_indent) > len(indent_of(self._text, at))
        if not is_deeper or not self._text.endswith(b"\n" + closing_indent, 0, end - 1):
            return end
        found = re.compile(rb"\n%b(?:(\})|(?!%b)[A-Za-z_~])" % (indent, _LABEL)).search(self._text, end)
        if found is None or found.group(1) is None:
            return end
        self.outline.broken.append((end, found.end()))
        return found.end()

    def _unknown(self, at: int) -> int:
        end, is_closed = self._block(at, self._indent())
        is_value = (
            is_closed and not self._text[self._start : at].strip(b", \n\t") and self._text.find(b";", at, end) < 0
        )
        if not is_value:
            self._mark_odd(self._start, end)
        self._begin(end)
        self._run_start = end
        return end

    def _pass_over(self, head: Head, at: int) -> int:
        """Pass over a block that belongs to a declaration; more of it may follow."""
        end, is_closed = self._block(at, self._indent())
        if head.opens is Opens.REQUIREMENT and is_closed and self._requirements < MAX_REQUIREMENTS:
            self._groups[at] = end
            self._requirements += 1
        else:
            self._begin(end)
            self._constructor = head if head.opens is Opens.MEMBER and is_closed else None
            self._run_start = end
        return end

    def _closed(self, at: int) -> int:
        """Take a brace that closes outside of functions."""
        if self._scopes:
            self._scopes.pop()
        else:
            self._mark_odd(self._start, at + 1)
            self.outline.broken.append((at, at + 1))
        self._begin(at + 1)
        self._run_start = at + 1
        return at + 1

    def _mark_odd(self, start: int, end: int) -> None:
        self.outline.odd.append((start, end))

    def _indent(self) -> bytes:
        """Return the indent of the declaration that is being read."""
        found = _SPACE.match(self._text, self._start)
        return indent_of(self._text, found.end() if found is not None else self._start)

    def _scope_names(self) -> list[str]:
        """Return the names of scopes, the outermost first; beyond MAX_SCOPES only the innermost."""
        names = [name for name in self._scopes[-MAX_SCOPES:] if name]
        return ["…", *names] if len(self._scopes) > MAX_SCOPES else names
