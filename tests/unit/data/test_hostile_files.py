"""Files of functions that are made to cost time or memory: refused with their place, or read as their bytes cost."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.data.source_files import F, G, H, read, reasons, write_lines
from trainers.data.read import compressed, first_rows, json_rows, tables
from trainers.data.read import rows as rows_module
from trainers.data.read.error_collector import shown
from trainers.data.read.forms import opened
from trainers.data.read.parquet_rows import parquet_rows

GOOD = json.dumps({"func": "int f(void) { return 1; }", "target": 1})


def refusal(path: Path) -> str:
    return " ".join(f"{one.where}: {one.found}" for one in read(path).refusals)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, of kilobytes."""
    monkeypatch.setattr(json_rows, "MAX_LINE_BYTES", 4_096)
    monkeypatch.setattr(json_rows, "MAX_VALUE_BYTES", 16_384)
    monkeypatch.setattr(tables, "MAX_FIELD_CHARS", 4_096)
    monkeypatch.setattr(compressed, "ALWAYS_BYTES", 4_096)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a long line.jsonl", f"{GOOD}\n{{{' ' * 5_000}}}\n"),
        ("a long first line of many.jsonl", f"{{{' ' * 5_000}}}\n{GOOD}\n"),
        ("a long array.json", "[" + " " * 20_000 + "]"),
        ("an array of many lines.json", "[\n" + (" " * 100 + "1,\n") * 200 + "1]"),
        ("a long header.csv", "func,target," + "x" * 5_000 + "\nf,1\n"),
        ("an open quote.csv", 'func,target\n"' + "x\n" * 5_000),
    ],
)
def test_what_is_too_long_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (path := tmp_path / name).write_text(content)

    assert "more than" in refusal(path) or "limit" in refusal(path)


@pytest.mark.usefixtures("small_limits")
def test_a_file_that_is_one_value_may_be_longer_than_a_line(tmp_path: Path) -> None:
    (path := tmp_path / "one.json").write_text("[" + ",".join([GOOD.replace("f(", f"f{n}(") for n in range(100)]) + "]")

    assert len(read(path).rows) == 100


@pytest.mark.usefixtures("small_limits")
def test_a_packed_file_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "bomb.jsonl.gz").write_bytes(
        gzip.compress(f"{GOOD}\n".encode() + b" " * 3_000 + b"\n" * 3_000_000)
    )

    assert "times its size" in refusal(path)


@pytest.mark.parametrize(
    "damage",
    [b"\x1f\x8b", gzip.compress(GOOD.encode(), mtime=0)[:-9], b"\x1f\x8b\x08\x00" + b"\xff" * 60],
    ids=["two bytes", "cut off", "no deflate"],
)
def test_a_packed_file_that_is_damaged_is_refused(tmp_path: Path, damage: bytes) -> None:
    (path := tmp_path / "damaged.jsonl.gz").write_bytes(damage)

    assert "cannot be read" in refusal(path)


def test_short_rows_below_many_columns_cost_what_they_hold(tmp_path: Path) -> None:
    # Filled up, each row would have 20,000 values.
    names = ",".join(f"c{n}" for n in range(20_000))
    lines = "".join(f"int f{n}(void) {{}},1\n" for n in range(2_000))
    (path := tmp_path / "wide.csv").write_text(f"func,target,{names}\n{lines}")

    with opened(path) as (_, rows):
        found = [row.content for row in rows]

    assert len(found) == 2_000
    assert sum(len(content) for content in found if isinstance(content, dict)) < 20_002 + 2 * 2_000


def test_columns_that_one_row_alone_has_are_not_looked_for_in_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hundred rows, each with twenty columns of its own, hold two thousand values: not two thousand each.
    looked_up: list[str] = []

    def value_at(content: Mapping[str, object], column: str) -> object:
        looked_up.append(column)
        return content.get(column)

    monkeypatch.setattr(first_rows, "value_at", value_at)
    rows = [{f"c{row}_{column}": 1 for column in range(20)} for row in range(100)]

    assert "no column func" in refusal(write_lines(tmp_path / "wide.jsonl", *rows))
    assert len(looked_up) == 2_000


def test_long_texts_in_objects_count_towards_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "HEAD_CHARS", 2_000)
    write_lines(tmp_path / "a.jsonl", *[{"func": F, "target": 1, "meta": [{"log": "x" * 600}]}] * 4)
    with opened(tmp_path / "a.jsonl") as (_, rows):
        assert len(rows_module._head(rows)) == 2


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"func": ' + "[" * 100_000, '{"func": "f\\u0000", "target": [[[[[[[[[[1]]]]]]]]]]}'],
)
def test_deep_and_odd_json_is_refused_as_such(tmp_path: Path, content: str) -> None:
    (path := tmp_path / "odd.jsonl").write_text(content + "\n")

    assert "nested too deep" in refusal(path) or "1 of 1 rows" in refusal(path)


def test_of_a_large_value_only_the_beginning_is_shown() -> None:
    shared: list[object] = [0]
    for _ in range(60):
        shared = [shared, shared]

    for value in (shared, "x" * 10_000_000, 10**10_000, {"a" * 1_000: shared}, dict.fromkeys(range(1_000_000))):
        assert len(shown(value)) <= 60


def test_a_cell_of_ten_megabytes_is_left_out_for_its_length_and_costs_no_other_row(tmp_path: Path) -> None:
    long = "int f() {" + "x();" * 2_500_000 + "}"
    (path := tmp_path / "long.csv").write_text(f'func,target\n"{long}",1\n"{F}",0\n')

    reading = read(path)

    assert ([row.func for row in reading.rows], reasons(reading)) == ([F], {"too_long": ["row 1"]})


def test_a_function_of_a_hundred_thousand_parentheses_is_checked_as_its_length_costs(tmp_path: Path) -> None:
    odd = ["f" + "(" * 100_000, "{" * 100_000, "(" * 50_000 + "{" + ")" * 40_000, "/*" * 50_000, "#" * 100_000]
    path = write_lines(tmp_path / "odd.jsonl", *({"func": func, "target": 1} for func in odd))

    assert read(path, max_function_chars=200_000).rows == []


def test_a_table_of_other_line_ends_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (path := tmp_path / "windows.csv").write_bytes(
        b'\xef\xbb\xbffunc,target\r\n"int f()\r\n{\r\n}",1\r"int g()\n{\r}",0\n'
    )

    assert [row.func for row in read(path).rows] == ["int f()\n{\n}", "int g()\n{\n}"]


def test_a_table_of_two_columns_with_one_name_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "twice.csv").write_text(f'func,func,target\n"{F}","{G}",1\n')

    assert "more than one column 'func'" in refusal(path)


def test_a_table_without_a_header_is_refused_as_such(tmp_path: Path) -> None:
    (path := tmp_path / "bare.csv").write_text(f'"{F}",1\n"{G}",0\n')

    assert "bare.csv, header: a function" in refusal(path)


def test_ragged_rows_and_bad_quotes_cost_themselves_alone(tmp_path: Path) -> None:
    (path := tmp_path / "ragged.csv").write_text(f'func,target\n"{F}",1,more\n"{F}"x,1\n"{G}",0\n"{H}"\n')

    reading = read(path)

    assert [row.func for row in reading.rows] == [G]
    assert reasons(reading) == {"malformed": ["row 1", "row 2"], "no_label": ["row 4"]}


def test_a_quote_that_never_closes_is_refused_for_it_would_swallow_the_rest(tmp_path: Path) -> None:
    (path := tmp_path / "open.csv").write_text(f'func,target\n"{F}",1\n"{G},0\n' + f"{H},1\n" * 100)

    assert "open.csv, row 2 (line 3)" in refusal(path)
    assert "never closed" in refusal(path)


def test_the_row_of_a_bad_byte_is_named_however_long_the_rows_are(tmp_path: Path) -> None:
    rows = [b'"int f%d() { %s }",1\n' % (number, b"x();" * 200) for number in range(240)]
    rows[99] = b"\"int f() { puts('\xe9'); }\",1\n"
    (path := tmp_path / "latin1.csv").write_bytes(b"func,target\n" + b"".join(rows))

    reading = read(path)

    assert reasons(reading) == {"undecodable": ["row 100"]}
    assert "byte 0xe9" in reading.left_out.summaries()[0].places[0]


def test_a_bad_byte_in_a_json_array_costs_its_row_alone(tmp_path: Path) -> None:
    (path := tmp_path / "array.json").write_bytes(
        b'[{"func": "int f() { return \'\xe9\'; }", "target": 1},\n{"func": "int g() {}", "target": 0}]'
    )

    reading = read(path)

    assert ([row.line for row in reading.rows], reasons(reading)) == ([2], {"undecodable": ["row 1"]})


@pytest.mark.parametrize("form", ["lines.jsonl", "array.json"])
def test_numbers_of_ten_thousand_digits_are_text(tmp_path: Path, form: str) -> None:
    row = f'{{"func": "{F}", "target": 1, "id": {"9" * 10_000}}}'
    (path := tmp_path / form).write_text(f"[{row}]" if form == "array.json" else f"{row}\n")

    (found,) = read(path).rows

    assert found.id == "9" * 100


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04" + b"x" * 100, "a zip archive"),
        (b"\x80\x04\x95" + b"x" * 100, "a pickle"),
        ("func,target\n".encode("utf-16"), "UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
        (b"<!doctype html><html>", "a web page"),
        (b"SQLite format 3\x00", "an SQLite database"),
    ],
)
def test_what_is_no_file_of_functions_is_named_with_what_to_do(tmp_path: Path, content: bytes, found: str) -> None:
    (path := tmp_path / "rows.jsonl").write_bytes(content)

    (refused,) = read(path).refusals

    assert found in refused.found
    assert refused.fix


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    write_lines(tmp_path / "outside.jsonl", {"func": F, "target": 1})
    folder = tmp_path / "folder"
    write_lines(folder / "inside.jsonl", {"func": G, "target": 0})
    (folder / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    (folder / "up").symlink_to(tmp_path)

    assert [row.func for row in read(folder).rows] == [G]


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b[:40] + b"\xff" * 20 + b[60:], lambda b: b[:4]])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"func": [F] * 1_000, "target": [1] * 1_000}), whole)
    (path := tmp_path / "damaged.parquet").write_bytes(damage(whole.read_bytes()))

    assert "cannot be read" in refusal(path)


def test_a_damaged_zstd_file_is_refused_as_a_cut_one_is(tmp_path: Path) -> None:
    with pa.CompressedOutputStream(str(tmp_path / "rows.jsonl.zst"), "zstd") as file:
        file.write(f"{GOOD}\n".encode() * 50)
    whole = (tmp_path / "rows.jsonl.zst").read_bytes()
    (cut := tmp_path / "cut.jsonl.zst").write_bytes(whole[:-4])

    assert len(read(tmp_path / "rows.jsonl.zst").rows) == 50
    assert "cannot be read" in refusal(cut)


def test_columns_without_a_value_cost_no_more_memory_than_the_values_of_few_rows(tmp_path: Path) -> None:
    rows, wide = 256, 1_500
    empty = pa.nulls(rows, pa.int8())
    columns = {"func": [F] * rows, "target": [1] * rows, **{f"c{number}": empty for number in range(wide)}}
    pq.write_table(pa.table(columns), path := tmp_path / "wide.parquet")

    tracemalloc.start()
    try:
        read_rows = sum(1 for _ in parquet_rows(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert read_rows == rows
    # Eight bytes for each value of all rows.
    assert peak < rows * wide * 8
