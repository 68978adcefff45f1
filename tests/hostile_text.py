"""Texts that act on a terminal, hide, reorder what stands beside them, or are markup where they are shown."""

import re
import unicodedata

# Name, text, and how it is shown where text is plain.
HOSTILE: dict[str, tuple[str, str]] = {
    "a colour": ("a\x1b[31mred", "a\\x1b[31mred"),
    "a clear screen": ("\x1b[2J\x1b[Hgone", "\\x1b[2J\\x1b[Hgone"),
    "a link (OSC 8)": (
        "\x1b]8;;http://evil\x1b\\good\x1b]8;;\x1b\\",
        "\\x1b]8;;http://evil\\x1b\\good\\x1b]8;;\\x1b\\",
    ),
    "a title (OSC 0)": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "a carriage return": ("failed\rsucceeded", "failed\\x0dsucceeded"),
    "backspaces": ("no\x08\x08yes", "no\\x08\\x08yes"),
    "a C1 control (CSI)": ("a\x9b31mred", "a\\x9b31mred"),
    "delete": ("a\x7fb", "a\\x7fb"),
    "right to left override": ("a\u202egpj.exe", "a\\u202egpj.exe"),
    "an isolate": ("\u2066admin\u2069", "\\u2066admin\\u2069"),
    "an Arabic letter mark": ("a\u061cb", "a\\u061cb"),
    "a zero width space": ("ad\u200bmin", "ad\\u200bmin"),
    "a byte order mark": ("\ufeffname", "\\ufeffname"),
    "a soft hyphen": ("ad\xadmin", "ad\\xadmin"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "tags": ("a\U000e0041b", "a\\U000e0041b"),
    "a filler": ("a\u3164b", "a\\u3164b"),
}
HARMLESS = (
    "Grüße, мир, 世界, שלום",
    "naïve café – “quoted” …",
    "⚠️ done ✔",
    "C:\\path\\x1b",
    "100 % [bold]x[/] :bomb: {0}",
)
EVERYTHING = "|".join(text for text, _ in HOSTILE.values())
# Beside the categories: what draws nothing and is none of them.
_ALLOWED = frozenset("\n\t")


def hidden_characters(shown: str, *, colours: bool = False) -> list[str]:
    """Return the characters of a text for people that would act, hide or reorder.

    Args:
        colours: Whether the sequences for colours are the program's own.
    """
    if colours:
        shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return [
        character
        for character in shown
        if character not in _ALLOWED and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    ]
