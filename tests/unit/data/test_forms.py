"""The forms that a file may have: what pandas and others write, packed or not, and the words for labels and dates."""

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.data.source_files import F, G, H, read, reasons, write_csv, write_lines
from trainers.data.read.dates import iso_date

ROWS: list[dict[str, Any]] = [{"func": F, "target": 0, "id": "a"}, {"func": G, "target": 1, "id": "b"}]
INDEXED = {str(place): row for place, row in enumerate(ROWS)}
BY_COLUMN = {name: {str(place): row[name] for place, row in enumerate(ROWS)} for name in ROWS[0]}
NAMES = list(ROWS[0])


@pytest.mark.parametrize(
    ("value", "indent"),
    [
        (ROWS, None),
        (ROWS, 2),
        (INDEXED, None),
        (INDEXED, 1),
        (BY_COLUMN, None),
        (BY_COLUMN, 1),
        ({name: [row[name] for row in ROWS] for name in NAMES}, 1),
        ({"columns": NAMES, "index": [0, 1], "data": [[row[name] for name in NAMES] for row in ROWS]}, None),
        ({"schema": {"fields": []}, "data": [{"index": 0, **row} for row in ROWS]}, None),
        ({"data": ROWS}, None),
        ({"train": ROWS[:1], "test": ROWS[1:]}, 1),
    ],
    ids=lambda value: str(value)[:25],
)
def test_json_in_any_of_the_shapes_of_a_table_is_read(tmp_path: Path, value: object, indent: int | None):
    (path := tmp_path / "rows.json").write_text(json.dumps(value, indent=indent))

    reading = read(path)

    assert [(row.func, row.label, row.id) for row in reading.rows] == [(F, 0, "a"), (G, 1, "b")]
    assert reading.refusals == []


def test_lists_of_rows_by_split_state_the_split_and_those_by_another_name_do_not(tmp_path: Path):
    (path := tmp_path / "rows.json").write_text(json.dumps({"train": ROWS[:1], "test": ROWS[1:]}))
    assert [row.split for row in read(path).rows] == ["train", "test"]

    path.write_text(json.dumps({"data": ROWS}))
    assert [row.split for row in read(path).rows] == [None, None]


def test_objects_over_several_lines_one_after_another_are_rows(tmp_path: Path):
    (path := tmp_path / "rows.json").write_text("\n".join(json.dumps(row, indent=1) for row in ROWS))

    assert [row.id for row in read(path).rows] == ["a", "b"]


def test_columns_are_joined_by_their_index_in_whatever_order_each_is_written(tmp_path: Path):
    other_order = {**BY_COLUMN, "target": {"1": 1, "0": 0}}
    (path := tmp_path / "rows.json").write_text(json.dumps(other_order))
    assert [row.label for row in read(path).rows] == [0, 1]

    path.write_text(json.dumps({**BY_COLUMN, "target": {"1": 1, "2": 0}}))
    assert read(path).refusals[0].found == "a column 'target' without row '0'"


def test_columns_are_recognised_by_their_values_where_the_user_names_them(tmp_path: Path):
    renamed = {{"func": "body", "target": "bug"}.get(name, name): part for name, part in BY_COLUMN.items()}
    (path := tmp_path / "rows.json").write_text(json.dumps(renamed))

    rows = read(path, fields={"func": "body", "target": "bug"}).rows

    assert [(row.func, row.label) for row in rows] == [(F, 0), (G, 1)]


def test_of_two_values_with_one_name_none_is_chosen(tmp_path: Path):
    func = json.dumps(F)
    (lines := tmp_path / "rows.jsonl").write_text(
        f'{{"func": {func}, "target": 0, "target": 1}}\n{{"func": {func}, "target": 1, "target": 1}}\n'
    )
    assert reasons(read(lines)) == {"malformed": ["line 1"]}

    (table := tmp_path / "rows.json").write_text(
        json.dumps({"columns": ["func", "target", "target"], "data": [[F, 0, 1]]})
    )
    assert read(table).refusals[0].found == "more than one column 'target'"


@pytest.mark.parametrize("between", ["", " ", "\r", ",\n", ","])
def test_objects_that_are_not_on_lines_of_their_own_are_rows(tmp_path: Path, between: str):
    (path := tmp_path / "rows.jsonl").write_bytes(between.join(json.dumps(row) for row in ROWS).encode())

    assert [(row.func, row.id) for row in read(path).rows] == [(F, "a"), (G, "b")]


def test_a_first_line_that_is_cut_within_a_text_costs_itself_alone(tmp_path: Path):
    cut, whole = (json.dumps(row) for row in ROWS)
    (path := tmp_path / "rows.jsonl").write_text(f"{cut[:-3]}\n{whole}\n")

    reading = read(path)

    assert [row.id for row in reading.rows] == ["b"]
    assert reasons(reading) == {"malformed": ["line 1"]}


def test_columns_of_different_lengths_are_refused_with_what_to_write(tmp_path: Path):
    (path := tmp_path / "rows.json").write_text(json.dumps({"func": [F, G], "target": [1]}))

    assert 'orient="records"' in read(path).refusals[0].fix


def _gzip(path: Path, content: bytes) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(content))
    return packed


def _zstd(path: Path, content: bytes) -> Path:
    packed = path.with_name(f"{path.name}.zst")
    with pa.CompressedOutputStream(str(packed), "zstd") as file:
        file.write(content)
    return packed


@pytest.mark.parametrize("pack", [_gzip, _zstd])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.tsv"])
def test_packed_files_are_read_and_their_form_is_told(tmp_path: Path, name: str, pack: Callable[[Path, bytes], Path]):
    plain = tmp_path / name
    write_csv(plain, *ROWS, delimiter="\t") if name.endswith("tsv") else write_lines(plain, *ROWS)

    reading = read(pack(plain, plain.read_bytes()))

    assert [row.func for row in reading.rows] == [F, G]
    assert reading.files[0].form in ("JSONL, gzip", "JSONL, zstd", "TSV, gzip", "TSV, zstd")


@pytest.mark.parametrize("name", ["DATA.JSONL", "data.ndjson", "data.JsonLines", "data.Json", "data.jsonl.GZ"])
def test_suffixes_of_a_folder_s_files_are_known_in_any_case(tmp_path: Path, name: str):
    write_lines(tmp_path / name, *ROWS)

    assert len(read(tmp_path).rows) == 2


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_a_table_is_separated_as_its_header_shows(tmp_path: Path, delimiter: str):
    path = write_csv(tmp_path / "rows.csv", *ROWS, delimiter=delimiter)

    assert [row.id for row in read(path).rows] == ["a", "b"]


def test_names_in_another_case_and_spaces_behind_commas_do_no_harm(tmp_path: Path):
    (path := tmp_path / "rows.csv").write_text(f'Func, Target, ID\n"{F}", 0, a\n"{G}", 1, b\n')

    assert [(row.func, row.label, row.id) for row in read(path).rows] == [(F, 0, "a"), (G, 1, "b")]


def test_a_table_that_pandas_saved_with_its_index_is_read(tmp_path: Path):
    path = write_csv(tmp_path / "rows.csv", {"": 5, "func": F, "target": 1.0}, {"": 6, "func": G, "target": 0.0})

    assert [(row.func, row.label, row.id) for row in read(path).rows] == [(F, 1, "row-1"), (G, 0, "row-2")]


@pytest.mark.parametrize(
    ("vulnerable", "safe"),
    [
        *[(1, 0), ("1", "0"), (1.0, 0.0), ("1.0", "0.0"), (True, False), ("True", "False"), ("TRUE", "false")],
        *[
            (" 1", "0 "),
            ("YES", "no"),
            ("VULNERABLE", "Safe"),
            ("vulnerable", "non-vulnerable"),
            ("Vul", "Non-Vul"),
            (1, -1),
            ("bad", "good"),
        ],
    ],
)
def test_words_for_labels_are_known_in_any_case_and_with_white_space(tmp_path: Path, vulnerable: Any, safe: Any):
    path = write_lines(tmp_path / "a.jsonl", {"func": F, "target": vulnerable}, {"func": G, "target": safe})

    assert [row.label for row in read(path).rows] == [1, 0]


def test_other_words_mean_what_the_configuration_says_which_goes_before_the_known_ones(tmp_path: Path):
    path = write_csv(
        tmp_path / "a.csv", {"func": F, "target": "High"}, {"func": G, "target": " none"}, {"func": H, "target": "1"}
    )

    reading = read(path, labels={"vulnerable": ["high"], "safe": ["NONE", "1"]})

    assert [row.label for row in reading.rows] == [1, 0, 0]


def test_minus_one_beside_zero_may_mean_that_nobody_knows_and_needs_the_configuration(tmp_path: Path):
    path = write_lines(
        tmp_path / "a.jsonl", *({"func": func, "target": label} for func, label in ((F, 1), (G, 0), (H, -1)))
    )

    unsaid, said = read(path), read(path, labels={"safe": ["-1"]})

    assert ([row.label for row in unsaid.rows], unsaid.left_out.mistakes) == ([1, 0], 1)
    assert [row.label for row in said.rows] == [1, 0, 0]


@pytest.mark.parametrize("column", ["safety", "is_safe", "fixed", "isSecure", "not_vulnerable"])
def test_numbers_in_a_column_named_for_safe_functions_mean_nothing_until_the_configuration_says_it(
    tmp_path: Path, column: str
):
    rows = [{"func": F, column: 1}, {"func": G, column: 0}, {"func": H, column: "vulnerable"}]
    path = write_lines(tmp_path / "a.jsonl", *rows)
    fields = {"target": column}

    unsaid = read(path, fields=fields)
    said = read(path, fields=fields, labels={"vulnerable": ["0"], "safe": ["1"]})

    assert (reasons(unsaid), [row.label for row in unsaid.rows]) == ({"wrong_label": ["line 1", "line 2"]}, [1])
    assert [row.label for row in said.rows] == [0, 1, 1]


@pytest.mark.parametrize(
    "value",
    [
        *["2019-01-02", "2019-01-02T10:11:12Z", "2019-01-01T23:30:00-05:00", "2019-01-02 10:11:12 +0100", "20190102"],
        *[
            "2019/1/2",
            "2019-1-2",
            "2 January 2019",
            "Wed Jan 2 15:04:05 2019 +0100",
            "Wed, 02 Jan 2019 15:04:05 +0000",
            "Jan 2, 2019",
        ],
        *[1546387200, "1546387200", 1546387200.5, "1546387200000"],
    ],
)
def test_dates_are_read_in_common_forms(value: object):
    assert iso_date(value) == "2019-01-02"


@pytest.mark.parametrize("value", ["01/02/2019", "yesterday", "2019", True, 10**30, "x" * 10_000, "2019-13-45", -5])
def test_what_is_no_date_or_one_of_two_is_none(value: object):
    assert iso_date(value) is None


def test_a_table_and_jsonl_are_recognised_under_the_name_of_the_other(tmp_path: Path):
    table = write_csv(tmp_path / "a.csv", *ROWS).rename(tmp_path / "a.jsonl")
    lines = write_lines(tmp_path / "b.jsonl", *ROWS).rename(tmp_path / "b.csv")

    for path, form in ((table, "CSV"), (_gzip(table, table.read_bytes()), "CSV, gzip"), (lines, "JSONL")):
        reading = read(path)
        assert ([row.id for row in reading.rows], reading.files[0].form) == (["a", "b"], form)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("func,target\n".encode("utf-16-le"), "text in UTF-16"),
        ("func,target\n".encode("utf-16-be"), "text in UTF-16"),
        ("func,target\n".encode("utf-32"), "text in UTF-32"),
        (b"rows.jsonl".ljust(257, b"\0") + b"ustar  \0", "a tar archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"{\\rtf1\\ansi", "an RTF document"),
        (b"<?xml version='1.0'?>", "an XML document"),
        (b"\x93NUMPY\x01\0", "a NumPy file"),
        (b"\xff\xff\xff\xff\x10\0", "a stream of Arrow"),
        (b"404: Not Found", "a server's message that there is no such file"),
        (bytes(4096), "zeros, as of a file that was never written whole"),
        (gzip.compress(gzip.compress(b"func,target\n", mtime=0), mtime=0), "a file that is packed twice"),
    ],
)
def test_other_encodings_and_archives_are_refused_by_name(tmp_path: Path, content: bytes, found: str):
    (path := tmp_path / "a.csv").write_bytes(content)

    assert [refusal.found for refusal in read(path).refusals] == [found]


def test_the_row_named_for_a_quote_that_is_never_closed_is_the_one_that_holds_it(tmp_path: Path):
    (path := tmp_path / "a.csv").write_text(f'func,target\n"{F}",0\n"{G},1\n"{H}\n",0\n')

    assert read(path).refusals[0].where == "a.csv, row 2 (line 3)"


def test_text_and_numbers_of_other_types_are_read_from_parquet(tmp_path: Path):
    table = pa.table({"func": [F.encode(), G.encode()], "target": [Decimal(0), Decimal(1)]})
    pq.write_table(table, tmp_path / "a.parquet")

    assert [(row.func, row.label) for row in read(tmp_path / "a.parquet").rows] == [(F, 0), (G, 1)]


def test_a_damaged_page_of_parquet_is_refused_where_the_file_has_its_checksum(tmp_path: Path):
    path = tmp_path / "a.parquet"
    table = pa.table({"func": [F] * 200, "target": [1] * 200})
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table, path, write_page_checksum=True, **plain)
    content = bytearray(path.read_bytes())
    content[content.index(b"return 1") + len(b"return ")] = ord("7")
    path.write_bytes(bytes(content))

    assert "CRC" in read(path).refusals[0].found


def test_two_columns_of_one_name_in_parquet_are_refused(tmp_path: Path):
    pq.write_table(pa.table([[F], [0], [1]], names=["func", "target", "target"]), tmp_path / "a.parquet")

    assert "two columns have one name" in read(tmp_path / "a.parquet").refusals[0].found
