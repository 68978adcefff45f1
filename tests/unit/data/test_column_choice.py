"""Columns within objects, of merged tables and of other spellings are read where one reading is possible."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.inspection import Inspection
from tests.unit.data.source_files import F, G, facts, read, reasons, write_csv, write_lines
from trainers.data.inspect import inspect_source
from trainers.data.read.column_names import MAX_ALIKE, ColumnNames
from trainers.data.read.nested import MAX_NAMES, names_in
from trainers.data.read.weaknesses import weaknesses_of

DEVIGN = {"project": "qemu", "commit_id": "c1", "target": 1, "func": F}


def inspect(path: Path, **config: Any) -> Inspection:
    return inspect_source(PrepareConfig(**config), [path])


def test_a_column_added_to_a_published_set_is_another_reading_and_is_refused_where_it_differs(tmp_path: Path):
    labels = inspect(write_lines(tmp_path / "a.jsonl", {**DEVIGN, "label": 0})).refusals
    texts = inspect(write_lines(tmp_path / "b.jsonl", {**DEVIGN, "func_before": G})).refusals

    assert labels[0].config == ["fields: {target: target}", "fields: {target: label}"]
    assert texts[0].config[:2] == ["fields: {func: func}", "fields: {func: func_before}"]


def test_two_columns_that_pandas_made_of_one_name_are_compared(tmp_path: Path):
    twice = write_csv(tmp_path / "a.csv", {"func": F, "target": 1, "target.1": 0})
    merged = write_csv(tmp_path / "b.csv", {"func": F, "target_x": 1, "target_y": 0})
    alike = write_csv(tmp_path / "c.csv", {"func": F, "target_x": 1, "target_y": 1})

    assert [len(inspect(path).refusals[:1][0].config) for path in (twice, merged)] == [2, 2]
    assert [row.label for row in read(alike).rows] == [1]


def test_rows_of_sets_that_were_merged_are_read_from_whichever_column_has_a_value(tmp_path: Path):
    found = inspect(
        write_lines(
            tmp_path / "a.jsonl",
            {"func": F, "target": 1, "code": None, "label": None},
            {"func": None, "target": None, "code": G, "label": 0},
        )
    )

    assert (found.functions, found.vulnerable) == (2, 1)
    assert [field.columns for field in found.fields[:2]] == [["func", "code"], ["target", "label"]]
    assert [note for note in found.notes if "have no" in note] == [
        "1 rows have no target: their label is read from label.",
        "1 rows have no func: their text is read from code.",
    ]


@pytest.mark.parametrize("name", ["Source Code", "source-code", "sourceCode", "SOURCE_CODE"])
def test_a_known_name_is_known_in_any_spelling(tmp_path: Path, name: str):
    assert [row.func for row in read(write_lines(tmp_path / "a.jsonl", {name: F, "Is Vul": 1})).rows] == [F]


def test_a_file_s_name_in_a_column_of_another_spelling_is_still_no_word_for_a_language(tmp_path: Path):
    assert len(read(write_lines(tmp_path / "a.jsonl", {"func": F, "target": 1, "File Name": "a.c"})).rows) == 1


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"meta": {"func": F, "label": 1}}, ["meta.func", "meta.label"]),
        ({"func": F, "info": {"target": 1, "cwe": "CWE-1"}}, ["func", "info.target"]),
        ({"a": {"b": {"c": {"code": F, "vul": 1}}}}, ["a.b.c.code", "a.b.c.vul"]),
        ({"meta.func": F, "meta.target": 1}, ["meta.func", "meta.target"]),
        ({"function": {"code": F}, "target": 1}, ["function.code", "target"]),
    ],
)
def test_values_within_objects_are_read_by_their_path(tmp_path: Path, row: dict[str, Any], columns: list[str]):
    found = inspect(write_lines(tmp_path / "a.jsonl", row, row))

    assert [field.columns for field in found.fields[:2]] == [[column] for column in columns]
    assert found.fields[0].why in ("a known name", "a known name within an object")
    assert found.samples[0].func == F


def test_structs_of_parquet_are_objects(tmp_path: Path):
    row = {"row": {"func": F, "target": 1, "commit_id": "c", "project": "p", "cwe": ["CWE-787"]}, "row_idx": 0}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")

    assert [facts(one) for one in read(tmp_path / "a.parquet").rows] == [(F, 1, "p", "c", "CWE-787")]


def test_a_path_may_be_named_in_the_configuration(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", *({"x": {"body": func, "flag": "yes"}} for func in (F, G)))

    found = read(path, fields={"func": "x.body", "target": "x.flag"}).rows

    assert [(row.func, row.label) for row in found] == [(F, 1), (G, 1)]
    assert inspect(path).refusals[0].config == ['fields: {func: "x.body"}']


def test_a_row_with_one_value_by_a_name_with_a_dot_and_another_by_that_path_is_left_out(tmp_path: Path):
    rows = [
        {"meta.func": F, "meta": {"func": G}, "target": 1},
        {"meta.func": F, "meta": {"func": F}, "target": 1},
        {"meta": {"func": G}, "target": 0},
    ]

    reading = read(write_lines(tmp_path / "a.jsonl", *rows))

    assert [(row.func, row.label) for row in reading.rows] == [(F, 1), (G, 0)]
    assert reasons(reading) == {"malformed": ["line 1"]}


def test_two_objects_with_a_text_each_are_two_readings(tmp_path: Path):
    found = inspect(write_lines(tmp_path / "a.jsonl", {"a": {"func": F}, "b": {"func": G}, "target": 1}))

    assert found.refusals[0].config[:2] == ['fields: {func: "a.func"}', 'fields: {func: "b.func"}']


def test_of_an_object_that_holds_neither_text_nor_label_an_id_is_none_of_the_function(tmp_path: Path):
    rows = [{"func": func, "target": 1, "author": {"id": 7}, "about": {"commit": "c"}} for func in (F, G)]

    found = read(write_lines(tmp_path / "a.jsonl", *rows)).rows

    assert [(row.id, row.commit) for row in found] == [("line-1", "c"), ("line-2", "c")]


def test_lists_of_objects_are_refused_with_what_to_write(tmp_path: Path):
    row = {"funcs": [{"func": F, "target": 1}]}

    found = inspect(write_lines(tmp_path / "a.jsonl", row, row))

    assert found.refusals[0].fix.endswith("write what the objects in funcs hold as rows, one for each")


def test_objects_of_strangers_name_a_bounded_number_of_paths():
    deep: dict[str, object] = {"func": F}
    for _ in range(100):
        deep = {"x": deep}
    wide = {"a": {str(number): 1 for number in range(10)}}

    assert names_in([deep])[1] == []
    assert len(names_in([{f"{number}": wide for number in range(1_000)}])[1]) == MAX_NAMES
    assert len(names_in([{"a": {str(number): 1 for number in range(1_000)}}])[1]) == MAX_NAMES


def test_endless_spellings_of_one_name_cost_each_row_a_bounded_number_of_looks():
    names = ColumnNames([f"func{'_' * number}" for number in range(1_000)], [f"a.b{n}.func" for n in range(1_000)])

    assert names.known("func")[0] == "func"
    assert max(len(names.known("func")), len(names.known_paths("func"))) == MAX_ALIKE


def test_all_columns_that_look_like_the_label_are_proposed_and_no_other(tmp_path: Path):
    rows = [
        {"func": func, "CWE-119": label, "CWE-120": not label, "size": 3 + label} for func, label in ((F, True), (G, 0))
    ]

    (refusal,) = inspect(write_lines(tmp_path / "a.jsonl", *rows)).refusals[:1]

    assert refusal.config == ["fields: {target: CWE-119}", "fields: {target: CWE-120}"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cwe-0787", "CWE-787"),
        ("CWE-787, CWE-20|CWE-787", "CWE-787,CWE-20"),
        ("['CWE-787', 'CWE-20']", "CWE-787,CWE-20"),
        ('["CWE-787"]', "CWE-787"),
        ("{'CWE-787', 'CWE-20'}", "CWE-20,CWE-787"),
        ("CWE-787: Out-of-bounds Write", "CWE-787"),
        ([787, 20], "CWE-787,CWE-20"),
        (787, "CWE-787"),
        ("787.0", "CWE-787"),
        ([{"id": "CWE-787", "name": "Out-of-bounds Write"}], "CWE-787"),
        ("NVD-CWE-Other", "NVD-CWE-Other"),
        (["Buffer-Overflow"], "Buffer-Overflow"),
        ([], None),
        ([None, "nan"], None),
        ("[" * 5_000, "[" * 5_000),
        ("{[]: 1}", "{[]: 1}"),
    ],
)
def test_weaknesses_are_read_in_every_form_that_sets_write(value: object, expected: str | None):
    assert weaknesses_of(value) == expected


def test_a_weakness_in_an_odd_form_costs_no_function(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", {"func": F, "target": 1, "cwe": [{"id": "CWE-1"}, {"id": "CWE-2"}]})

    reading = read(path)

    assert (reading.rows[0].cwe, reasons(reading)) == ("CWE-1,CWE-2", {})


@pytest.mark.parametrize("label", ["1.000000e+00", '"1"', "'1'", "1.", 1.0])
def test_a_number_is_a_label_in_whatever_form_it_is_written(tmp_path: Path, label: object):
    assert [row.label for row in read(write_lines(tmp_path / "a.jsonl", {"func": F, "target": label})).rows] == [1]


@pytest.mark.parametrize("label", ["1.5", "1e-3", "1e400", "2"])
def test_other_numbers_are_no_labels(tmp_path: Path, label: str):
    assert read(write_lines(tmp_path / "a.jsonl", {"func": F, "target": label})).rows == []
