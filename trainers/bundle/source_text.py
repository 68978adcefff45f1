"""The text of a source file, whatever its encoding."""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from trainers.bundle.places import shown_path

# Above it a file is not scored: the largest amalgamation in wide use has 9 MB.
MAX_FILE_BYTES = 32 << 20
# What is looked at to tell a binary file from text, as git does.
PROBED_BYTES = 8192
# So many of the probed bytes are zero or other controls: no text.
BINARY_SHARE = 0.1
# Of what is no UTF-8 either: every byte is as frequent in what was compressed, and a tenth of all bytes are controls.
NO_TEXT_SHARE = 0.02
# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Of ASCII text in UTF-16, every second byte is zero; this share of them, since a comment may be in any script.
_WIDE_SHARE = 0.7
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
# Read from the first byte of each, so that a second one is never taken for a first.
_TWO_BYTES = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, kw_only=True)
class SourceText:
    """The text of a file.

    Args:
        text: Decoded; line ends as they were.
        note: What was not as expected of its encoding; null where the file is UTF-8.
    """

    text: str
    note: str | None


class NotText(ValueError):
    """A file's content is binary."""


def read_content(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        DataError: It cannot be read, or has more than MAX_FILE_BYTES.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unread(path, str(error), "a readable file") from error
    if len(content) > MAX_FILE_BYTES:
        raise _unread(path, "more bytes than that", f"at most {MAX_FILE_BYTES} bytes", "divide it")
    return content


def _unread(path: Path, found: str, expected: str, fix: str = "") -> DataError:
    problem = InputError(where=shown_path(path), found=found, expected=expected, fix=fix)
    return DataError(f"{shown_path(path)} cannot be divided into functions", [problem])


def decode(content: bytes) -> SourceText:
    """Return a file's content as text.

    A byte order mark decides. Without one it is UTF-8; UTF-16 where every second byte is zero; UTF-8 with some broken
    characters; else Latin-1, in which every byte is a character. Lines stay where they are in each case.

    Raises:
        NotText: The content is binary.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _marked(content[len(mark) :], encoding)
    wide = _wide_encoding(content[:PROBED_BYTES])
    if wide is not None:
        return _without_zeros(
            content.decode(wide, errors="replace"), f"it has no byte order mark: read as {_name(wide)}"
        )
    if is_binary(content):
        raise NotText
    try:
        return _without_zeros(content.decode(), None)
    except UnicodeDecodeError as error:
        if is_binary(content, NO_TEXT_SHARE):
            raise NotText from error
        return _without_zeros(*_of_another_encoding(content, error.start))


def _marked(content: bytes, encoding: str) -> SourceText:
    text = content.decode(encoding, errors="replace")
    broken = "" if "\ufffd" not in text else "; some of its characters are broken"
    return _without_zeros(text, None if encoding == "utf-8" and not broken else f"read as {_name(encoding)}{broken}")


def _of_another_encoding(content: bytes, position: int) -> tuple[str, str]:
    """Return as text what is no UTF-8, and a note of it."""
    where = f"byte 0x{content[position]:02x} at position {position} is no UTF-8"
    text = content.decode(errors="replace")
    broken = text.count("\ufffd")
    good = sum(1 for byte in content if byte >= 0xC0) - broken
    if good > broken:
        return text, f"{where}: {broken} broken characters were replaced"
    kept = _TWO_BYTES.sub(_without_backslash, content) if _is_double_byte(content) else content
    halves = content.count(b"\\") - kept.count(b"\\")
    told = f"; {halves} second bytes of characters, which look like a backslash, were replaced" if halves else ""
    return kept.decode("latin-1"), f"{where}: read as Latin-1{told}"


def _is_double_byte(content: bytes) -> bool:
    """Return whether a text looks like Shift-JIS, GBK or Big5: in Latin-1 an accent mostly stands between letters."""
    runs = _HIGH_BYTES.findall(content)
    return 2 * sum(len(run) for run in runs if len(run) > 1) > sum(map(len, runs))


def _without_backslash(character: re.Match[bytes]) -> bytes:
    """Return a character of two bytes; a second one that would escape a quote or a line end is a letter instead."""
    return character.group().replace(b"\\", b"_")


def _without_zeros(text: str, note: str | None) -> SourceText:
    """Return the text as compilers read it, which pass over a zero; a parser would take it for the end."""
    zeros = text.count("\0")
    if not zeros:
        return SourceText(text=text, note=note)
    told = f"{zeros} zero bytes were replaced by blanks"
    return SourceText(text=text.replace("\0", " "), note=told if note is None else f"{note}; {told}")


def is_binary(content: bytes, share: float = BINARY_SHARE) -> bool:
    """Return whether of the beginning of a file more than a share are control characters."""
    probed = content[:PROBED_BYTES]
    return len(_CONTROLS.findall(probed)) > share * len(probed)


def _wide_encoding(probed: bytes) -> str | None:
    if len(probed) < 4:
        return None
    even, odd = (probed[first::2].count(0) / len(probed[first::2]) for first in (0, 1))
    if odd >= _WIDE_SHARE and even < 1 - _WIDE_SHARE:
        return "utf-16-le"
    return "utf-16-be" if even >= _WIDE_SHARE and odd < 1 - _WIDE_SHARE else None


def _name(encoding: str) -> str:
    return encoding.removesuffix("-le").removesuffix("-be").upper()
