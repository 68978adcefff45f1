"""A source without what only looks like code: comments, what strings hold, and directives, each byte in its place."""

import re
from dataclasses import dataclass

_NOTABLE = re.compile(rb"""["'#]|/[/*]""")
# Possessive, so that no input makes them try again; a backslash takes the line's end with it.
_STRING = re.compile(rb'"(?:[^"\\\n]++|\\.)*+"?', re.DOTALL)
_CHARACTER = re.compile(rb"'(?:[^'\\\n]++|\\.)*+'?", re.DOTALL)
_LINE_COMMENT = re.compile(rb"//(?:[^\\\n]++|\\.)*+", re.DOTALL)
_DIRECTIVE = re.compile(
    rb"""\#(?:[ \t]*+(?:include(?:_next)?|import)[ \t]*+<[^>\n]*+>)?+
    (?:[^\\\n/"']++|\\[ \t]*+\n|\\.|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?|//(?:[^\\\n]++|\\.)*+|/
    |"(?:[^"\\\n]++|\\.)*+"?|'(?:[^'\\\n]++|\\.)*+'?)*+""",
    re.DOTALL | re.VERBOSE,
)
_RAW_STRING = re.compile(rb'"([^()\\\s]{0,16})\(')
# A string's letters before its quote; a number's digits before the mark that divides them.
_WORD_BEFORE = re.compile(rb"[\w$']+\Z")
MAX_WORD_BYTES = 64
# After so many raw strings without an end no more is looked for.
MAX_OPEN_RAW_STRINGS = 16
# Digraphs and trigraphs of braces: nothing else in code looks like them.
_OTHER_SPELLINGS = ((b"<%", b" {"), (b"%>", b" }"), (b"??<", b"  {"), (b"??>", b"  }"))
_BLANK = bytes(byte if byte == ord("\n") else ord(" ") for byte in range(256))


@dataclass(frozen=True, kw_only=True)
class Directive:
    """Where a directive stands, all of its continued lines."""

    start: int
    end: int


def blank(text: bytearray, start: int, end: int) -> None:
    """Make a part blank; its line ends stay."""
    text[start:end] = text[start:end].translate(_BLANK)


def _blank_inside(text: bytearray, start: int, end: int) -> None:
    """Make the inside of a string or a character blank; its marks stay."""
    is_closed = end > start + 1 and text[end - 1] == text[start]
    blank(text, start + 1, end - is_closed)


def skeleton_of(source: bytes) -> tuple[bytearray, list[Directive]]:
    """Return the source with comments, directives and the inside of strings and characters blank, and the directives.

    Time and memory are in proportion to the source. A string ends with its line, as a comment without an end does with
    the source.

    Args:
        source: Its lines end in `\\n`.
    """
    text = bytearray(source)
    directives: list[Directive] = []
    open_raw_strings = 0
    place, begins_line = 0, True
    while (found := _NOTABLE.search(source, place)) is not None:
        start, sign = found.start(), found.group()
        last_line = source.rfind(b"\n", place, start)
        begins_line = (begins_line or last_line >= 0) and not source[max(place, last_line + 1) : start].strip()
        if sign == b"/*":
            closed = source.find(b"*/", start + 2)
            end = closed + 2 if closed >= 0 else len(source)
            blank(text, start, end)
        elif sign == b"//":
            end = _end_of(_LINE_COMMENT, source, start)
            blank(text, start, end)
        elif sign == b"#":
            end = start + 1
            if begins_line:
                end = _end_of(_DIRECTIVE, source, start)
                directives.append(Directive(start=start, end=end))
                blank(text, start, end)
            begins_line = False
        elif sign == b'"':
            raw_end = _raw_string_end(source, start) if open_raw_strings < MAX_OPEN_RAW_STRINGS else None
            open_raw_strings += raw_end == -1
            end = raw_end if raw_end is not None and raw_end > 0 else _end_of(_STRING, source, start)
            _blank_inside(text, start, end)
            begins_line = False
        else:
            end = start + 1
            if not _divides_digits(source, start):
                end = _end_of(_CHARACTER, source, start)
                _blank_inside(text, start, end)
            begins_line = False
        place = end
    for sign, plain in _OTHER_SPELLINGS:
        text = text.replace(sign, plain)
    return text, directives


def _end_of(pattern: re.Pattern[bytes], source: bytes, start: int) -> int:
    found = pattern.match(source, start)
    return found.end() if found is not None else start + 1


def _word_before(source: bytes, place: int) -> bytes:
    found = _WORD_BEFORE.search(source[max(0, place - MAX_WORD_BYTES) : place])
    return found.group() if found is not None else b""


def _divides_digits(source: bytes, quote: int) -> bool:
    """Return whether a mark stands in a number, as in 1'000."""
    return _word_before(source, quote)[:1].isdigit()


def _raw_string_end(source: bytes, quote: int) -> int | None:
    """Return where a raw string ends, -1 where it does not, null for any other string."""
    if _word_before(source, quote) not in (b"R", b"LR", b"uR", b"UR", b"u8R"):
        return None
    found = _RAW_STRING.match(source, quote)
    if found is None:
        return None
    closing = b")" + found.group(1) + b'"'
    closed = source.find(closing, found.end())
    return closed + len(closing) if closed >= 0 else -1
