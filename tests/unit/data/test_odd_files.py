"""Files as colleagues send them: what is clear is read, what is not read is told, and what is odd is noted."""

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellgate.contract.configs import FieldNames, PrepareConfig
from cellgate.contract.inspection import Inspection
from service.api.first_look import first_look
from tests.unit.data.source_files import F, G, H, read, write_lines
from trainers.data.inspect import inspect_source

ROWS = [{"func": F, "target": 1}, {"func": G, "target": 0}]


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def labelled(*paths: Path, **config: Any) -> list[tuple[str, int]]:
    return [(row.func, row.label) for row in read(*paths, **config).rows]


def inspect(*paths: Path) -> Inspection:
    return inspect_source(PrepareConfig(), paths)


@pytest.mark.parametrize(
    "before", ["sep=;\n", '"sep=;"\n', "sep=;;\n", "# written on 2024-01-02; by me\n\n", "\ufeffsep=;\n"]
)
def test_what_stands_before_a_header_is_no_header(tmp_path: Path, before: str):
    path = write(tmp_path / "a.csv", f'{before}target;func\n1;"{F}"\n0;"{G}"\n')

    assert labelled(path) == [(F, 1), (G, 0)]
    assert first_look(path, FieldNames()) == []


def test_a_header_may_begin_with_the_sign_of_a_comment(tmp_path: Path):
    assert read(write(tmp_path / "a.csv", f"#target,func\n1,{F}\n")).files[0].rows == 1


def test_a_row_of_too_many_values_is_told_with_the_header(tmp_path: Path):
    found = inspect(write(tmp_path / "a.csv", "target,func\n1,int f(int a, int b) { return a; }\n"))

    assert found.left_out[0].places == ["row 1: 1 values more than the header's 2 names, 'target,func'"]


def test_text_in_latin1_is_refused_with_what_converts_it(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes('target,func\n1,"int f() { return 1; } // é"\n'.encode("latin-1"))

    assert "iconv -f latin1" in inspect(path).refusals[0].fix


@pytest.mark.parametrize(
    "value",
    [
        {"train": {"func": [F], "target": [1]}, "test": {"func": [G], "target": [0]}},
        {"vulnerable": [{"code": F}], "safe": [{"code": G}]},
        {"vulnerable": [F], "non-vulnerable": [G]},
    ],
)
def test_tables_by_split_and_rows_by_label_are_read(tmp_path: Path, value: object):
    assert labelled(write(tmp_path / "a.json", value)) == [(F, 1), (G, 0)]


def test_rows_by_a_word_for_labels_keep_the_label_that_they_have(tmp_path: Path):
    value = {"bad": [{"code": F, "label": 0}], "good": [{"code": G, "label": 1}]}

    assert labelled(write(tmp_path / "a.json", value)) == [(F, 0), (G, 1)]


def test_the_label_of_a_later_row_is_not_replaced_by_the_word_over_its_list(tmp_path: Path):
    value = {"bad": [{"code": F}, {"code": H, "label": 0}], "good": [{"code": G}]}

    assert labelled(write(tmp_path / "a.json", value)) == [(H, 0)]


def test_a_label_of_a_later_row_is_not_replaced_by_the_word_over_its_list(tmp_path: Path):
    value = {"bad": [{"code": F}, {"code": H, "label": 0}], "good": [{"code": G}]}

    assert labelled(write(tmp_path / "a.json", value), max_left_out_share=1.0) == [(H, 0)]


def test_objects_that_were_written_as_json_twice_are_rows(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", "".join(f"{json.dumps(json.dumps(row))}\n" for row in ROWS))

    assert labelled(path) == [(F, 1), (G, 0)]


def test_an_object_that_was_written_twice_is_left_out_where_it_gives_one_name_two_values(tmp_path: Path):
    row = f'{{"func": {json.dumps(F)}, "func": {json.dumps(G)}, "target": 1}}'

    (left_out,) = read(write(tmp_path / "a.jsonl", f"{json.dumps(row)}\n{json.dumps(row)}\n")).left_out.summaries()

    assert left_out.places[0] == "line 1: two values of 'func' in one object"


def test_a_time_in_nanoseconds_costs_no_row_of_parquet(tmp_path: Path):
    times = pa.array([1_546_300_800_000_000_001, None], pa.timestamp("ns"))
    pq.write_table(pa.table({"func": [F, G], "target": [1, 0], "date": times}), tmp_path / "a.parquet")

    assert [row.date for row in read(tmp_path / "a.parquet").rows] == [datetime.date(2019, 1, 1).isoformat(), None]


def test_the_name_of_a_folder_states_the_label_of_its_files(tmp_path: Path):
    write_lines(tmp_path / "set" / "vulnerable" / "a.jsonl", {"func": F})
    write_lines(tmp_path / "set" / "safe" / "a.jsonl", {"func": G})

    assert sorted(labelled(tmp_path / "set")) == [(F, 1), (G, 0)]


def test_columns_in_the_names_of_folders_state_label_and_split(tmp_path: Path):
    write_lines(tmp_path / "set" / "split=train" / "label=1" / "part-0.jsonl", {"func": F})
    write_lines(tmp_path / "set" / "split=test" / "label=0" / "part-0.jsonl", {"func": G})

    found = read(tmp_path / "set").rows

    assert [(row.func, row.label, row.split) for row in found] == [(G, 0, "test"), (F, 1, "train")]


def sources(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write(folder / name, text)
    return folder


def test_source_files_that_are_sorted_by_label_are_functions(tmp_path: Path):
    files = {"train/vulnerable/a.c": f"#include <a.h>\n{F}\n", "test/non-vulnerable/a.c": G, "README.md": "x"}

    reading = read(sources(tmp_path, files))

    assert [(row.id, row.func, row.label, row.split) for row in reading.rows] == [
        ("test/non-vulnerable/a.c", G, 0, "test"),
        ("train/vulnerable/a.c", F, 1, "train"),
    ]
    assert reading.layouts == ["Source files with labels in their names"]


def test_source_files_of_several_functions_or_labels_are_left_out_with_the_reason(tmp_path: Path):
    files = {"bad/a.c": F, "good/a.c": G, "good/two.c": f"{F}\n{G}", "good/bad.c": F, "other.c": F}

    left_out = read(sources(tmp_path, files)).left_out.summaries()

    assert [place for one in left_out for place in one.places] == [
        "good/two.c: 2 functions in a file with one label",
        "other.c: no label in the names of the file and its folders",
        "good/bad.c: two labels in the names of the file and its folders",
    ]


def test_source_files_beside_a_file_of_functions_are_not_read(tmp_path: Path):
    write_lines(tmp_path / "rows.jsonl", *ROWS)

    assert labelled(sources(tmp_path, {"bad/a.c": F, "good/a.c": G})) == [(F, 1), (G, 0)]


def test_values_that_mongodb_writes_with_their_type_are_values(tmp_path: Path):
    row = {"_id": {"$oid": "5f"}, "func": F, "target": {"$numberInt": "1"}, "date": {"$date": "2019-01-02T00:00:00Z"}}

    (read_row,) = read(write_lines(tmp_path / "a.jsonl", row)).rows

    assert (read_row.id, read_row.label, read_row.date) == ("5f", 1, "2019-01-02")


@pytest.mark.parametrize(
    "language", ["C/CPP", "C, C++", "c11", "GNU C", "C89", "C++17", "c,cpp,h", "ANSI C", "C header"]
)
def test_standards_of_c_and_both_languages_together_are_c(tmp_path: Path, language: str):
    assert len(read(write_lines(tmp_path / "a.jsonl", {"func": F, "target": 1, "language": language})).rows) == 1


@pytest.mark.parametrize("language", ["Objective-C", "C#", "Python, C", "cuda", "Clang", "cython"])
def test_other_languages_with_a_c_in_them_are_others(tmp_path: Path, language: str):
    assert read(write_lines(tmp_path / "a.jsonl", {"func": F, "target": 1, "language": language})).rows == []


def test_a_byte_order_mark_before_a_function_is_no_part_of_it(tmp_path: Path):
    assert labelled(write_lines(tmp_path / "a.jsonl", {"func": f"\ufeff{F}", "target": 1})) == [(F, 1)]


def test_files_of_a_folder_without_functions_or_rows_are_told_and_cost_no_others(tmp_path: Path):
    write_lines(tmp_path / "set" / "train.jsonl", *ROWS)
    write(tmp_path / "set" / "config.json", {"seed": 1, "model": "x"})
    write(tmp_path / "set" / "more.jsonl", "")

    found = inspect(tmp_path / "set")

    assert (found.functions, [file.name for file in found.files]) == (2, ["more.jsonl", "train.jsonl"])
    assert "config.json: no column of functions and no source code; not read." in found.notes
    assert "more.jsonl: no rows." in found.notes


def test_a_file_of_a_folder_that_may_hold_functions_or_that_a_person_named_is_refused(tmp_path: Path):
    write_lines(tmp_path / "set" / "train.jsonl", *ROWS)
    write_lines(tmp_path / "set" / "more.jsonl", {"body": F, "target": 1})
    settings = write(tmp_path / "config.json", {"seed": 1})

    assert inspect(tmp_path / "set").refusals[0].where == "all 1 rows of more.jsonl"
    assert inspect(tmp_path / "set" / "train.jsonl", settings).refusals[0].where == "all 1 rows of config.json"


def test_a_folder_of_files_without_functions_alone_is_refused(tmp_path: Path):
    for name in ("a.json", "b.json"):
        write(tmp_path / "set" / name, {"seed": 1})

    assert "a.json" in inspect(tmp_path / "set").refusals[0].where


def test_a_file_of_a_folder_is_named_once(tmp_path: Path):
    write_lines(tmp_path / "set" / "train.jsonl", *ROWS)
    write(tmp_path / "set" / "more.jsonl", "PK\x03\x04")

    assert inspect(tmp_path / "set").refusals[0].where == "more.jsonl"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"```c\n{F}\n```", "fences of Markdown"),
        ("int f(int a) { return a &lt; 2; }", "escaped for HTML"),
        ("1 int f(int a)\n2 {\n3   return a;\n4 }", "numbers before their lines"),
        ("+int f(int a)\n+{\n-  return 1;\n+  return a;\n }", "as a diff has"),
        ("int f(int a)\n{\n}\n\nint g(int a)\n{\n}", "may be whole files"),
    ],
)
def test_texts_with_more_than_a_function_in_them_are_told(tmp_path: Path, text: str, told: str):
    (note,) = [
        note for note in inspect(write_lines(tmp_path / "a.jsonl", {"func": text, "target": 1})).notes if told in note
    ]

    assert note.startswith("1 functions ")


@pytest.mark.parametrize(
    "text",
    [
        'int f(char *s) { return puts("&lt;"); }',
        "int f(int a)\n{\n#if A\n  return 1;\n}\n#else\n  return a; }\n#endif",
        "int f(int a, int b)\n{\n  return a&b;\n}",
    ],
)
def test_ordinary_functions_are_told_nothing_of(tmp_path: Path, text: str):
    notes = inspect(write_lines(tmp_path / "a.jsonl", {"func": text, "target": 1})).notes

    assert not [note for note in notes if "as they stand" in note]


@pytest.mark.parametrize("stated", [{"language": "C"}, {"file_name": "src/magic.c"}, {"lang": "cpp"}])
def test_what_the_set_says_to_be_c_is_of_no_other_language(tmp_path: Path, stated: dict[str, str]):
    row = {"func": "private int f(int a) { return a; }", "target": 1}

    assert len(read(write_lines(tmp_path / "a.jsonl", {**row, **stated})).rows) == 1
    assert read(write_lines(tmp_path / "b.jsonl", {**row, "file_name": "A.txt"})).rows == []


def test_cvefixes_table_of_whole_files_is_refused_with_the_one_to_give(tmp_path: Path):
    row = {"file_change_id": 1, "code_before": F, "code_after": G, "diff": ""}

    (refusal,) = [one for one in inspect(write_lines(tmp_path / "a.jsonl", row, row)).refusals if one.where != "groups"]

    assert refusal.fix == "give the table method_change"
