"""C and C++ files are found and read, and divided into their functions."""

from pathlib import Path

import pytest

from cellgate.contract.errors import DataError
from trainers.bundle.c_functions import find_files, split_file


def test_a_file_is_read_as_utf_8_with_or_without_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "f.c"
    path.write_bytes(b"\xef\xbb\xbfint f(void) { return '\xc3\xa4'; }")

    assert [function.source for function in split_file(path)] == ["int f(void) { return 'ä'; }"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"// \xe4\nint f(void) { }", "byte 0xe4 at position 3"),
        ("int f(void) { }".encode("utf-16"), "byte 0xff at position 0"),
        (b"int f(void) { }\0", "a zero byte at position 15"),
    ],
)
def test_what_is_no_utf_8_text_is_an_error_that_says_where(content: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "f.c"
    path.write_bytes(content)

    with pytest.raises(DataError, match=found):
        split_file(path)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be divided"):
        split_file(tmp_path)


def test_of_a_folder_the_source_files_are_read_by_name(tmp_path: Path) -> None:
    for name in ("b.cpp", "a.c", "notes.txt", "in/c.H"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    found = find_files([tmp_path / "notes.txt", tmp_path])

    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["notes.txt", "a.c", "b.cpp", "in/c.H"]


def test_all_paths_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_files([tmp_path / "a.c", tmp_path, tmp_path / "b.c"])

    assert len(caught.value.problems) == 2
