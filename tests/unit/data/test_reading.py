"""Reading labelled functions: layouts are recognised, and every mistake is reported at once, with its line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.configs import FieldNames
from cellgate.contract.errors import DataError, InputError
from trainers.data.read.rows import Reading, read_rows

GOOD: dict[str, Any] = {"func": "int f() { return 1; }", "target": 1}
Write = Callable[..., Path]


def read(path: Path, **fields: str) -> Reading:
    return read_rows(path, FieldNames(**fields), max_function_chars=1_000)


def problems_of(path: Path, **fields: str) -> tuple[InputError, ...]:
    with pytest.raises(DataError) as caught:
        read(path, **fields)
    assert caught.value.total == len(caught.value.problems)
    return caught.value.problems


def test_every_bad_row_is_reported_at_once_with_its_line(write_rows: Write):
    path = write_rows(
        GOOD,
        b"{not json",
        b'{"func": "\xff", "target": 0}',
        b"[1, 2]",
        {"target": 0},
        {"func": "int g();"},
        {"func": "int g();", "target": 2},
        {"func": "int g();", "target": "yes"},
        {"func": " \n ", "target": 0},
        {"func": 7, "target": 0},
        b'{"func": "x \\ud800", "target": 0}',
        {"func": "int h();", "target": 0, "project": {"name": "x"}},
    )

    wheres = [problem.where for problem in problems_of(path)]

    assert wheres == [
        "line 2",
        "line 3",
        "line 4",
        "line 5, func",
        "line 6, target",
        "line 7, target",
        "line 8, target",
        "line 9, func",
        "line 10, func",
        "line 11, func",
        "line 12, project",
    ]


def test_each_problem_says_what_was_found_what_was_expected_and_what_to_do(write_rows: Write):
    (problem,) = problems_of(write_rows({"func": "int g();", "target": 2}))

    assert problem == InputError(
        where="line 1, target",
        found="2",
        expected="0 (not vulnerable) or 1 (vulnerable)",
        fix="map the label to 0 or 1",
    )


def test_two_mistakes_of_one_row_are_both_reported(write_rows: Write):
    assert len(problems_of(write_rows({"func": "", "target": 3}))) == 2


def test_only_the_first_thousand_mistakes_are_kept_and_all_are_counted(write_rows: Write):
    with pytest.raises(DataError) as caught:
        read(write_rows(*[b"{"] * 1_500))

    assert (len(caught.value.problems), caught.value.total) == (1_000, 1_500)


def test_an_id_that_names_two_functions_is_a_mistake(write_rows: Write):
    path = write_rows({**GOOD, "id": "a"}, {"func": "int g();", "target": 0, "id": "a"}, {**GOOD, "id": "a"})

    (problem,) = problems_of(path)

    assert problem.where == "line 2, id"
    assert "line 1" in problem.found


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_a_mistake(tmp_path: Path, content: bytes):
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)

    assert "no rows" in problems_of(path)[0].found


def test_a_missing_file_and_a_cut_archive_are_distinguished_from_bad_rows(tmp_path: Path):
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(json.dumps(GOOD).encode() * 100)[:-20])

    assert "No such file" in problems_of(tmp_path / "nowhere.jsonl")[0].found
    assert problems_of(cut)[0].where == str(cut)


def test_a_compressed_file_is_recognised_by_its_content(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))

    assert read(path).read == 1


def test_a_byte_order_mark_and_blank_lines_do_no_harm(write_rows: Write):
    path = write_rows(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"", {"func": "int g();", "target": 0})

    assert [row.line for row in read(path).rows] == [1, 3]


@pytest.mark.parametrize(
    "record",
    [
        {"func": "int f();", "target": 1, "project": "qemu", "commit_id": "c1", "idx": 7},
        {"func_before": "int f();", "vul": 1, "project": "qemu", "commit_id": "c1", "CWE ID": "CWE-1", "id": "7"},
        {"func": "int f();", "target": 1, "project": "qemu", "commit_id": "c1", "cwe": ["CWE-1"], "idx": 7},
        {"func": "int f();", "label": True, "project": "qemu", "commit": "c1", "id": 7},
        {"code": "int f();", "vul": "1", "project": "qemu", "commit": "c1", "id": 7},
    ],
    ids=["devign", "bigvul", "primevul", "label", "code"],
)
def test_published_layouts_are_recognised(write_rows: Write, record: dict[str, Any]):
    (row,) = read(write_rows(record)).rows

    assert (row.func, row.label, row.project, row.commit, row.id) == ("int f();", 1, "qemu", "c1", "7")
    assert row.cwe in (None, "CWE-1")


def test_the_spec_s_field_names_win_over_recognised_ones(write_rows: Write):
    record = {"func": "int f();", "text": "int g();", "target": 0, "bad": 1}

    (row,) = read(write_rows(record), func="text", target="bad").rows

    assert (row.func, row.label) == ("int g();", 1)


def test_a_field_that_the_spec_names_but_no_row_has_is_reported_by_its_name(write_rows: Write):
    assert problems_of(write_rows(GOOD), func="body")[0].where == "line 1, body"


def test_line_endings_are_made_one_and_comments_stay(write_rows: Write):
    (row,) = read(write_rows({"func": "\r\nint f() {\r\n// why\r}\n", "target": 0})).rows

    assert row.func == "int f() {\n// why\n}"


def test_functions_that_are_too_long_are_left_out_and_counted(write_rows: Write):
    reading = read(write_rows(GOOD, {"func": "x" * 1_001, "target": 0}))

    assert (len(reading.rows), reading.too_long, reading.read) == (1, ("line-2",), 2)


def test_rows_without_id_are_named_by_their_line(write_rows: Write):
    assert [row.id for row in read(write_rows(GOOD, {**GOOD, "target": 0})).rows] == ["line-1", "line-2"]
