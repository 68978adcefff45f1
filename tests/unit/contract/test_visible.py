"""Which characters are shown as escapes, and that nothing else is touched."""

import json
import sys
import unicodedata

import pytest

from cellgate.contract.visible import visible, visible_json, visible_line, visible_parts
from tests.hostile_text import EVERYTHING, HARMLESS, HOSTILE, hidden_characters

# Signs that draw something beside a number or a word, although their category is that of formats.
DRAWN = {*map(chr, [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD])}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_shown_with_escapes(name: str) -> None:
    text, shown = HOSTILE[name]
    assert visible(text) == visible_line(text) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == visible_line(text) == visible_json(text) == text


def test_every_control_format_and_surrogate_of_unicode_is_shown_as_an_escape() -> None:
    hidden = {
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }
    left = {character for character in hidden if visible_line(character) == character}
    assert left - DRAWN == set()


def test_lines_and_columns_stay_in_a_text_and_not_on_a_line() -> None:
    assert visible("a\tb\nc\r\nd") == "a\tb\nc\nd"
    assert visible_line("a\tb\nc\r\nd") == "a\\tb\\nc\\x0d\\nd"


def test_json_means_the_same_and_hides_nothing() -> None:
    document = json.dumps({EVERYTHING: [EVERYTHING, "\U0001f600"]}, ensure_ascii=False, indent=2)
    shown = visible_json(document)
    assert json.loads(shown) == json.loads(document)
    assert hidden_characters(shown) == []


@pytest.mark.parametrize("parts", [["a\r\nb\rc\r"], ["a\r", "\nb\r", "c\r"], ["a", "\r", "\n", "b\r", "", "c", "\r"]])
def test_the_parts_of_a_text_are_shown_as_the_whole(parts: list[str]) -> None:
    assert "".join(visible_parts(parts)) == "a\nb\\x0dc\\x0d"


def test_a_long_text_is_shown_in_linear_time() -> None:
    assert visible("\x1b" * 1_000_000) == "\\x1b" * 1_000_000
