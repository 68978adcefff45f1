"""Text of others made safe to show: characters that act on a terminal, hide, or change the order of others.

Names, notes, messages and output come from people and trainers. JSON keeps them as they are; wherever they are shown as
text, they go through here.

Source:
    ECMA-48 (C0 and C1 controls); Unicode 17, DerivedCoreProperties, Default_Ignorable_Code_Point; Unicode Technical
    Standard 55 (source code handling), section 4; CVE-2021-42574.
"""

import re
from collections.abc import Iterable, Iterator

# Emoji are written with the two variation selectors that are left out here; they show as a picture or as text.
_HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls; tab and line feed are text
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, separators of lines, bidirectional controls
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\ud800-\udfff"  # halves of a pair, which cannot be written
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]"
)
LINE_ENDS = {"\n": "\\n", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Return a text in which every control and invisible character is shown as an escape, such as `\x1b` or `\u202e`.

    Tabs and line feeds stay, also a line feed that follows a carriage return.
    """
    return _HIDDEN.sub(_escape, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """Return a text as `visible` does, on one line: tabs and line feeds are shown as escapes too."""
    shown = _HIDDEN.sub(_escape, text)
    for character, escape in LINE_ENDS.items():
        shown = shown.replace(character, escape)
    return shown


def visible_json(text: str) -> str:
    r"""Return a JSON document that means the same and has `\u001b` in place of such characters."""
    return _HIDDEN.sub(_json_escape, text)


def visible_parts(parts: Iterable[str]) -> Iterator[str]:
    """Yield the parts of a long text as `visible` does, also where a line's end is cut in two."""
    kept = ""
    for part in parts:
        text = kept + part
        kept = "\r" if text.endswith("\r") else ""
        yield visible(text[: len(text) - len(kept)])
    if kept:
        yield visible(kept)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
