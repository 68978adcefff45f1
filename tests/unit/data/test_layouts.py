"""The published sets are read as they are published: their forms, their field names, their splits and pairs."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.data.source_files import F, G, H, facts, read, reasons, write_csv, write_lines


def test_devign_is_one_json_array_without_ids(tmp_path: Path):
    path = tmp_path / "function.json"
    row = {"project": "FFmpeg", "commit_id": "973b1a6b9070e2bf17d17568cbaf4043ce931f51", "target": 1, "func": F}
    path.write_text(json.dumps([row, {**row, "target": 0, "func": G}], indent=2))

    first, second = read(path).rows

    assert facts(first) == (F, 1, "FFmpeg", "973b1a6b9070e2bf17d17568cbaf4043ce931f51", None)
    assert (second.func, second.label, second.id) == (G, 0, "row-2")


def test_codexglue_is_a_folder_of_three_files_whose_names_say_the_split(tmp_path: Path):
    for idx, (name, func) in enumerate((("train", F), ("valid", G), ("test", H))):
        row = {"project": "qemu", "commit_id": "c1", "target": idx % 2, "func": func, "idx": idx}
        write_lines(tmp_path / f"{name}.jsonl", row)
    (tmp_path / "README.md").write_text("not a file of functions")

    rows = {row.id: row for row in read(tmp_path).rows}

    assert {row_id: (row.func, row.split) for row_id, row in rows.items()} == {
        "0": (F, "train"),
        "1": (G, "valid"),
        "2": (H, "test"),
    }


def test_bigvul_is_csv_with_text_over_several_lines_and_a_field_with_a_space(tmp_path: Path):
    func = 'int f(char *s)\n{\n    return puts("a, b");\n}'
    path = write_csv(
        tmp_path / "MSR_data_cleaned.csv",
        {
            "": "7",
            "CVE ID": "CVE-2017-1",
            "CWE ID": "CWE-119",
            "commit_id": "abc",
            "func_after": G,
            "func_before": func,
            "project": "Chrome",
            "vul": "1",
        },
        {
            "": "8",
            "CVE ID": "",
            "CWE ID": "",
            "commit_id": "abd",
            "func_after": G,
            "func_before": G,
            "project": "",
            "vul": "0",
        },
    )

    first, second = read(path).rows

    assert facts(first) == (func, 1, "Chrome", "abc", "CWE-119")
    assert facts(second) == (G, 0, None, "abd", None)


def test_bigvul_is_one_json_object_of_rows_by_number_too(tmp_path: Path):
    path = tmp_path / "MSR_data_cleaned.json"
    row = {"CWE ID": "CWE-119", "commit_id": "abc", "func_before": F, "project": "Chrome", "vul": 1}
    path.write_text(json.dumps({"0": row, "1": {**row, "func_before": G, "vul": 0}}))

    assert [facts(row) for row in read(path).rows] == [
        (F, 1, "Chrome", "abc", "CWE-119"),
        (G, 0, "Chrome", "abc", "CWE-119"),
    ]


def test_diversevul_is_jsonl_with_a_list_of_weaknesses(tmp_path: Path):
    path = write_lines(
        tmp_path / "diversevul.json",
        {
            "func": F,
            "target": 1,
            "cwe": ["CWE-787", "CWE-125"],
            "project": "gnutls",
            "commit_id": "21f4",
            "hash": 338920376594857,
            "size": 9,
            "message": "fix",
        },
        {
            "func": G,
            "target": 0,
            "cwe": [],
            "project": "gnutls",
            "commit_id": "21f4",
            "hash": 1,
            "size": 9,
            "message": "",
        },
    )

    first, second = read(path).rows

    assert facts(first) == (F, 1, "gnutls", "21f4", "CWE-787,CWE-125")
    assert facts(second) == (G, 0, "gnutls", "21f4", None)


PRIMEVUL = {"project": "qemu", "commit_id": "c1", "cwe": ["CWE-416"], "cve": "CVE-2020-1", "hash": 5, "size": 9}


def test_primevul_names_its_splits_in_its_files(tmp_path: Path):
    write_lines(tmp_path / "primevul_train.jsonl", {**PRIMEVUL, "idx": 194, "func": F, "target": 1})
    write_lines(tmp_path / "primevul_valid.jsonl", {**PRIMEVUL, "idx": 195, "func": G, "target": 0})

    assert [(row.id, row.split, *facts(row)) for row in read(tmp_path).rows] == [
        ("194", "train", F, 1, "qemu", "c1", "CWE-416"),
        ("195", "valid", G, 0, "qemu", "c1", "CWE-416"),
    ]


def test_primevul_s_paired_files_give_pairs_and_its_others_do_not(tmp_path: Path):
    rows = [
        {**PRIMEVUL, "idx": 1, "func": F, "target": 1},
        {**PRIMEVUL, "idx": 2, "func": G, "target": 0},
        {**PRIMEVUL, "idx": 3, "func": H, "target": 1},
    ]

    paired = read(write_lines(tmp_path / "primevul_train_paired.jsonl", *rows)).rows
    others = read(write_lines(tmp_path / "primevul_train.jsonl", *rows)).rows

    assert [row.pair for row in paired] == ["1", "1", None]
    assert [row.pair for row in others] == [None] * 3


@pytest.mark.parametrize("second", [{"target": 1}, {"commit_id": "c2"}], ids=["same label", "another commit"])
def test_two_rows_of_a_paired_file_that_are_no_pair_are_not_made_one(tmp_path: Path, second: dict[str, Any]):
    rows = [{**PRIMEVUL, "idx": 1, "func": F, "target": 1}, {**PRIMEVUL, "idx": 2, "func": G, "target": 0, **second}]

    assert [row.pair for row in read(write_lines(tmp_path / "paired.jsonl", *rows)).rows] == [None, None]


def test_a_row_s_own_split_wins_over_its_file_s_name(tmp_path: Path):
    write_lines(tmp_path / "train.jsonl", {"func": F, "target": 1, "split": "extra"}, {"func": G, "target": 0})

    assert [row.split for row in read(tmp_path).rows] == ["extra", "train"]


def test_rows_left_out_are_told_with_the_file_where_there_are_several_and_with_the_row_where_there_are_no_lines(
    tmp_path: Path,
):
    write_csv(tmp_path / "test.csv", {"func": F, "target": "2"})
    (tmp_path / "train.json").write_text(json.dumps([{"func": F, "target": 0}, 5]))
    write_lines(tmp_path / "valid.jsonl", {"func": "", "target": 0})

    assert reasons(read(tmp_path)) == {
        "wrong_label": ["test.csv, row 1"],
        "malformed": ["train.json, row 2"],
        "empty": ["valid.jsonl, line 1"],
    }


def test_csv_may_be_compressed_and_begin_with_a_byte_order_mark(tmp_path: Path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbffunc,target\nint f() {},0\n"))

    assert [row.func for row in read(path).rows] == ["int f() {}"]


def test_a_broken_array_is_reported_once(tmp_path: Path):
    path = tmp_path / "function.json"
    path.write_text('[{"func": "int f();", "target": 0},')

    (refusal,) = read(path).refusals

    assert "invalid JSON" in refusal.found


def test_a_folder_without_a_file_of_functions_is_refused(tmp_path: Path):
    (tmp_path / "README.md").touch()

    assert "1 files, none of functions" in read(tmp_path).refusals[0].found
