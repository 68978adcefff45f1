"""Any encoding is read, each line on its place, and what was not UTF-8 is told."""

from pathlib import Path

import pytest

from cellgate.contract.errors import DataError
from trainers.bundle.source_text import MAX_FILE_BYTES, NotText, decode, read_content
from trainers.source_functions.division import divide

SOURCE = "int f(void)\n{\n    return 'x';\n}\n"


def test_plain_utf_8_needs_no_note() -> None:
    read = decode("// ä 世\n".encode())

    assert (read.text, read.note) == ("// ä 世\n", None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_is_read_by_its_mark_or_by_its_zeros(encoding: str) -> None:
    content = SOURCE.encode(encoding)

    read = decode(content)

    assert read.text == SOURCE
    assert read.note == (None if encoding == "utf-8-sig" else read.note)
    assert encoding == "utf-8-sig" or encoding[:6].upper() in str(read.note)


def test_text_that_is_no_utf_8_is_latin_1() -> None:
    read = decode("/* by André */\nint x;\n".encode("latin-1"))

    assert read.text == "/* by André */\nint x;\n"
    assert read.note == "byte 0xe9 at position 10 is no UTF-8: read as Latin-1"


@pytest.mark.parametrize(("encoding", "text"), [("shift_jis", "日本語の表"), ("gbk", "中文的乗"), ("big5", "說明的功")])
def test_a_character_whose_second_byte_is_a_backslash_escapes_nothing(encoding: str, text: str) -> None:
    source = f'// {text}\nconst char *s = "{text}";\nint f(void) {{ return 0; }}\n'

    read = decode(source.encode(encoding))

    assert [one.name for one in divide(read.text, suffix=".c").functions] == ["f"]
    assert "2 second bytes of characters, which look like a backslash, were replaced" in str(read.note)


def test_an_escape_behind_an_accent_stays_one() -> None:
    source = '/* déjà vu */ const char *s = "dit \\"café\\"\\n";\n'

    assert decode(source.encode("latin-1")).text == source


def test_one_broken_character_among_good_ones_is_replaced_and_the_others_stay() -> None:
    read = decode("/* 世界 ä \n".encode() + b"\xff */\n")

    assert read.text == "/* 世界 ä \n\ufffd */\n"
    assert "1 broken characters were replaced" in str(read.note)


def test_a_zero_byte_in_text_ends_nothing() -> None:
    read = decode(("/* " + "word " * 50).encode() + b"\0*/\nint f;\n")

    assert read.text.endswith(" */\nint f;\n")
    assert read.note == "1 zero bytes were replaced by blanks"


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01\x01" + bytes(100), bytes(range(32)) * 300, b"\0\0\0\0\0", bytes(range(256))]
)
def test_binary_content_is_no_text(content: bytes) -> None:
    with pytest.raises(NotText):
        decode(content)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\xff\xfea", b"\xef\xbb\xbf", b"\n", b"\x0c\n"])
def test_almost_nothing_is_text_too(content: bytes) -> None:
    assert len(decode(content).text) <= 2


def test_a_file_that_cannot_be_read_or_is_too_large_is_refused_with_the_reason(tmp_path: Path) -> None:
    huge = tmp_path / "huge.c"
    with huge.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)

    with pytest.raises(DataError, match=f"at most {MAX_FILE_BYTES} bytes"):
        read_content(huge)
    with pytest.raises(DataError, match="expected a readable file"):
        read_content(tmp_path)
