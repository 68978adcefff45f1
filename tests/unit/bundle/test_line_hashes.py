"""The hash of a line is the one that GitHub computes."""

import pytest

from trainers.bundle.line_hashes import LINES_AT_ONCE, line_hashes


def by_hand(text: str, start: int) -> str:
    """The rolling hash of 100 units from a place, unit by unit, as the published script has it."""
    value = 0
    units = [ord(character) for character in text[start:]] + [0xFFFF]
    for unit in (units + [0] * 100)[:100]:
        value = (value * 37 + unit) % (1 << 64)
    return f"{value:x}"


def test_each_line_has_the_rolling_hash_of_its_next_100_units() -> None:
    source = "int f(void)\n{\n" + "    total += 1;\n" * 9 + "}\n"
    packed = source.replace(" ", "")

    hashes = line_hashes(source.encode(), [1, 3])

    assert hashes == {1: f"{by_hand(packed, 0)}:1", 3: f"{by_hand(packed, len('intf(void)') + 3)}:1"}


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        # One line end of two bytes counts once, one of one byte counts too, blanks and tabs do not.
        (b"a\r\n\tb\rc \n", 2, by_hand("a\nb\nc\n", 2)),
        # What is no UTF-8 is replaced, as the script's reader does; beyond the first plane a character has two units.
        (b"\xff\nx", 1, by_hand("\ufffd\nx", 0)),
        ("\U0001f600\nx".encode(), 1, by_hand("\ud83d\ude00\nx", 0)),
        (b"", 1, by_hand("", 0)),
    ],
)
def test_line_ends_blanks_and_characters_are_counted_as_the_script_does(
    content: bytes, line: int, expected: str
) -> None:
    assert line_hashes(content, [line]) == {line: f"{expected}:1"}


def test_equal_lines_are_numbered_in_their_order() -> None:
    content = b"x();\n" * (LINES_AT_ONCE + 300)

    hashes = line_hashes(content, [1, 2, LINES_AT_ONCE + 1])

    (first, one), (second, two), (third, three) = (hashes[line].split(":") for line in (1, 2, LINES_AT_ONCE + 1))
    assert first == second == third
    assert (one, two, three) == ("1", "2", str(LINES_AT_ONCE + 1))


def test_a_line_beyond_the_end_has_no_hash() -> None:
    assert line_hashes(b"a\n", [7]) == {}
    assert line_hashes(b"a\n", []) == {}
