"""Published sets that hold the text before a fix and the one after it, and sets that are trees of files."""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellgate.contract.configs import PrepareConfig
from tests.unit.data.source_files import F, G, H, read, reasons, write_csv, write_lines
from trainers.data.inspect import inspection_of
from trainers.data.read.crossvul import _functions
from trainers.data.read.row import Row

LINK = "https://github.com/madler/zlib/commit/27a78de0e4c0c9a2f7a0d4e1f8f2a9c0b1d2e3f4"
COMMIT = LINK.rpartition("/")[2]


def sides(rows: list[Row]) -> list[tuple[str, int, str | None]]:
    return [(row.func, row.label, row.pair) for row in rows]


def test_megavul_s_func_is_the_fixed_text_and_never_read_as_vulnerable(tmp_path: Path):
    path = tmp_path / "megavul_simple.json"
    row = {"cve_id": "CVE-2022-1", "cwe_ids": ["CWE-125"], "git_url": LINK, "commit_hash": COMMIT, "is_vul": True}
    rows = [{**row, "func_before": F, "func": G}, {**row, "is_vul": False, "func_before": None, "func": H}]
    path.write_text(json.dumps(rows))

    reading = read(path)

    assert reading.layouts == ["MegaVul"]
    assert sides(reading.rows) == [(F, 1, "row-1"), (G, 0, "row-1"), (H, 0, None)]
    assert {(row.commit, row.cwe) for row in reading.rows} == {(COMMIT, "CWE-125")}


def test_sven_is_folders_of_train_and_val_with_a_file_per_weakness_and_python_among_them(tmp_path: Path):
    row = {"func_name": "f", "func_src_before": F, "func_src_after": G, "commit_link": LINK, "vul_type": "cwe-022"}
    write_lines(tmp_path / "train" / "cwe-022.jsonl", {**row, "file_name": "a.c"}, {**row, "file_name": "b.py"})
    write_lines(tmp_path / "val" / "cwe-022.jsonl", {**row, "file_name": "a.c", "func_src_before": H})

    reading = read(tmp_path)

    assert reading.layouts == ["SVEN"]
    assert [(row.func, row.label, row.split, row.cwe) for row in reading.rows] == [
        (F, 1, "train", "CWE-22"),
        (G, 0, "train", "CWE-22"),
        (H, 1, "val", "CWE-22"),
        (G, 0, "val", "CWE-22"),
    ]
    assert len({row.id for row in reading.rows}) == 4
    assert {(row.project, row.commit) for row in reading.rows} == {("madler/zlib", COMMIT)}
    assert reasons(reading) == {"other_language": ["train/cwe-022.jsonl, line 2"]}


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("CleanVul", {"extension": "c", "vulnerability_score": "4", "is_test": "False", "commit_msg": "fix"}),
        ("TitanVul", {"extension": "c", "cve_id": "CVE-2022-1"}),
        ("BenchVul", {"programming_language": "C", "cve_id": "CVE-2022-1"}),
    ],
)
def test_sets_of_many_languages_give_pairs_of_those_in_c(tmp_path: Path, name: str, columns: dict[str, str]):
    row = {"func_before": F, "func_after": G, "commit_url": LINK, "cwe_id": "CWE-787", **columns}
    language = "extension" if "extension" in columns else "programming_language"
    path = write_csv(
        tmp_path / f"{name}.csv", row, {**row, language: "java"}, {**row, language: "cpp", "func_after": H}
    )

    reading = read(path)

    assert reading.layouts == [name]
    assert sides(reading.rows) == [(F, 1, "row-1"), (G, 0, "row-1"), (F, 1, "row-3"), (H, 0, "row-3")]
    assert reasons(reading) == {"other_language": ["row 2"]}


def test_cvefixes_says_before_or_after_as_true_or_false_and_methods_of_one_change_are_a_pair(tmp_path: Path):
    row = {"method_change_id": "1", "file_change_id": "9", "signature": "f( )", "code": F, "before_change": "True"}
    path = write_csv(
        tmp_path / "method_change.csv",
        row,
        {**row, "method_change_id": "2", "code": G, "before_change": "False"},
        {**row, "method_change_id": "3", "file_change_id": "8", "code": H},
    )

    reading = read(path)

    assert reading.layouts == ["CVEfixes"]
    assert [row.id for row in reading.rows] == ["1", "2", "3"]
    assert sides(reading.rows) == [(F, 1, "9:f( )"), (G, 0, "9:f( )"), (H, 1, None)]
    found = inspection_of(reading, PrepareConfig())
    assert (found.pairs.pairs, found.pairs.source) == (1, "columns file_change_id and signature")


def crossvul(folder: Path, files: dict[str, str | bytes]) -> Path:
    for place, text in files.items():
        path = folder / "CWE-79" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_crossvul_is_a_tree_of_bad_and_good_files_without_suffix(tmp_path: Path):
    files = {"c/bad_7_0": F, "c/good_7_0": G, "php/bad_8_0": "<?php", "php/good_8_0": "<?php 1"}
    crossvul(tmp_path, dict(files))
    (tmp_path / "metadata.json").write_text("[]")

    reading = read(tmp_path)

    assert reading.layouts == ["CrossVul"]
    assert sides(reading.rows) == [(F, 1, "CWE-79/c/7_0:f"), (G, 0, "CWE-79/c/7_0:f")]
    assert {(row.cwe, row.commit) for row in reading.rows} == {("CWE-79", "7")}
    assert reasons(reading) == {"other_language": ["CWE-79/php/bad_8_0", "CWE-79/php/good_8_0"]}


def test_of_crossvul_s_files_the_functions_that_differ_are_pairs_and_no_others_are_read(tmp_path: Path):
    head, same = "#include <a.h>\nstatic int x;\n", "int same(void) { return 1; }\n"
    old = "int copy(char *d, int n) {\n  d[n] = 0;\n  return n;\n}"
    new = old.replace("{\n", "{\n  if (n > 8) return -1;\n")
    commented = "int told(int a) { /* %s */ return a; }\n"
    crossvul(
        tmp_path,
        {
            "c/bad_7_0": head + same + commented % "one" + old + "\nint gone(int a) { return a; }\n",
            "c/good_7_0": head + "int added(int a) { return a; }\n" + commented % "two" + same + new,
        },
    )

    reading = read(tmp_path)

    assert sides(reading.rows) == [(old, 1, "CWE-79/c/7_0:copy"), (new, 0, "CWE-79/c/7_0:copy")]
    assert [row.where for row in reading.rows] == ["CWE-79/c/bad_7_0, copy", "CWE-79/c/good_7_0, copy"]


def test_crossvul_s_files_without_a_function_that_was_fixed_are_counted_and_are_no_mistake(tmp_path: Path):
    crossvul(
        tmp_path,
        {
            "c/bad_7_0": F,
            "c/good_7_0": G,
            "c/bad_8_0": "#define N 1\n" + F,
            "c/good_8_0": "#define N 2\n" + F,
            "c/bad_9_0": F,
            "c/bad_9_1": b"// \xe9\nint f(int a) { return a; }\nint g(int a) { return a; /* \xe9 */ }",
            "c/good_9_1": b"// \xe9\nint f(int a) { return 1; }\nint g(int a) { return 2; /* \xe9 */ }",
        },
    )

    reading = read(tmp_path, max_left_out_share=0.3)

    assert [row.id for row in reading.rows] == [
        *("CWE-79/c/bad_7_0:f", "CWE-79/c/good_7_0:f"),
        *("CWE-79/c/bad_9_1:f", "CWE-79/c/good_9_1:f"),
    ]
    assert reasons(reading) == {
        "undecodable": ["CWE-79/c/bad_9_1, g", "CWE-79/c/good_9_1, g"],
        "no_difference": ["CWE-79/c/8_0", "CWE-79/c/9_0"],
    }
    assert reading.refusals == []


def test_overloads_of_crossvul_s_files_are_told_apart_by_their_order(tmp_path: Path):
    text = "int f(int a) { return a; }\nint f(long a) { return %d; }\n"
    crossvul(tmp_path, {"cpp/bad_7_0": text % 1, "cpp/good_7_0": text % 2})

    assert [row.pair for row in read(tmp_path).rows] == ["CWE-79/cpp/7_0:f#2"] * 2


def test_files_of_a_crossvul_fix_that_differ_in_their_suffix_alone_are_two(tmp_path: Path):
    crossvul(tmp_path, {f"c/{side}_7_0.{suffix}": text for side, text in (("bad", F), ("good", G)) for suffix in "ch"})

    assert sorted({str(row.pair) for row in read(tmp_path).rows}) == ["CWE-79/c/7_0.c:f", "CWE-79/c/7_0.h:f"]


def test_many_functions_of_one_name_cost_no_more_than_others():
    def cost_s(names: Iterable[str]) -> float:
        text = "".join(f"int {name}(int a) {{ return a; }}\n" for name in names)
        started = time.process_time()
        assert len(_functions(text, ".c")) == 3_000
        return time.process_time() - started

    assert cost_s(["f"] * 3_000) < 2 * cost_s(f"f{number}" for number in range(3_000))


def test_vulbench_is_a_folder_per_text_and_its_facts_go_before_the_folder_s_name(tmp_path: Path):
    for folder, text in {"big_1_before": F, "big_1_after": G, "magma_2": H, "ctf_3": F}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "src.c").write_text(text)
    (tmp_path / "magma_2" / "meta_data.json").write_text('{"vulnerable": false, "vulnerability_type": []}')

    reading = read(tmp_path)

    assert reading.layouts == ["VulBench"]
    assert sorted(sides(reading.rows), key=str) == [(F, 1, "big_1"), (G, 0, "big_1"), (H, 0, None)]
    assert reasons(reading) == {"no_label": ["ctf_3/src.c"]}


def test_what_is_no_file_of_the_folder_is_not_opened(tmp_path: Path):
    folder = tmp_path / "set"
    for name in ("a_1", "a_2"):
        (folder / name).mkdir(parents=True)
        (folder / name / "src.c").write_text(F)
    (tmp_path / "outside.json").write_text('{"vulnerable": true}')
    (folder / "a_1" / "meta_data.json").symlink_to(tmp_path / "outside.json")
    # To open it would wait for a writer.
    os.mkfifo(folder / "a_2" / "meta_data.json")

    assert reasons(read(folder)) == {"no_label": ["a_1/src.c", "a_2/src.c"]}


def test_d2a_s_leaderboard_is_recognised_by_its_files_names(tmp_path: Path):
    row = {"id": "openssl_1", "label": "1", "code": F}
    write_csv(tmp_path / "d2a_lbv1_function_train.csv", row)
    write_csv(tmp_path / "d2a_lbv1_function_dev.csv", {**row, "label": "0", "code": G})

    reading = read(tmp_path)

    assert reading.layouts == ["D2A"]
    assert [(row.id, row.label, row.split) for row in reading.rows] == [
        ("openssl_1", 0, "dev"),
        ("d2a_lbv1_function_train.csv-openssl_1", 1, "train"),
    ]


def test_d2a_s_traces_are_refused_with_what_to_give_instead(tmp_path: Path):
    row = {"id": "openssl_1", "label": 1, "label_source": "auto_labeler", "functions": {"f": {"code": F}}}

    (refusal,) = read(write_lines(tmp_path / "openssl.json", row, row)).refusals

    assert "several functions" in refusal.found
    assert "d2a_lbv1_function" in refusal.fix


def test_reveal_says_the_label_in_the_names_of_its_files(tmp_path: Path):
    row = {"hash": 5, "project": "debian", "size": 9}
    (tmp_path / "non-vulnerables.json").write_text(json.dumps([{**row, "code": F}]))
    (tmp_path / "vulnerables.json").write_text(json.dumps([{**row, "code": G}]))

    reading = read(tmp_path)

    assert reading.layouts == ["ReVeal"]
    assert [(row.func, row.label, row.commit) for row in reading.rows] == [(F, 0, None), (G, 1, None)]


def test_a_word_in_the_name_of_one_file_alone_is_no_label(tmp_path: Path):
    path = write_lines(tmp_path / "data_clean.jsonl", {"func": F, "flag": 1}, {"func": G, "flag": 0})

    (refusal,) = read(path).refusals

    assert refusal.config == ["fields: {target: flag}"]


def test_primevul_s_paired_file_beside_the_others_leaves_its_pairs_with_the_copies_that_stay(tmp_path: Path):
    row: dict[str, Any] = {"project": "p", "commit_id": "c", "cwe": [], "cve": "None", "func_hash": 3, "big_vul_idx": 1}
    rows = [{**row, "idx": 1, "func": F, "target": 1}, {**row, "idx": 2, "func": G, "target": 0}]
    write_lines(tmp_path / "primevul_train.jsonl", *rows)
    write_lines(tmp_path / "primevul_train_paired.jsonl", *rows)

    reading = read(tmp_path)

    assert reading.layouts == ["PrimeVul"]
    assert [(row.id, row.pair, row.split) for row in reading.rows] == [
        *[("1", None, "train"), ("2", None, "train")],
        *[("1", "1", "train"), ("2", "1", "train")],
    ]


def test_codexglue_as_parquet_has_labels_of_true_and_false(tmp_path: Path):
    columns = {"id": [0, 1], "func": [F, G], "target": [False, True], "project": ["qemu"] * 2, "commit_id": ["a", "b"]}
    pq.write_table(pa.table(columns), tmp_path / "train-00000-of-00001.parquet")

    reading = read(tmp_path / "train-00000-of-00001.parquet")

    assert [(row.id, row.label, row.commit) for row in reading.rows] == [("0", 0, "a"), ("1", 1, "b")]


def test_bigvul_tells_that_the_fixed_text_is_not_read_and_how_to_read_it(tmp_path: Path):
    rows = [
        {"func_before": F, "func_after": G, "vul": "1", "CWE ID": "CWE-1"},
        {"func_before": H, "func_after": H, "vul": "0", "CWE ID": ""},
    ]
    path = write_csv(tmp_path / "MSR_data_cleaned.csv", *rows)

    one, both = read(path), read(path, fields={"before": "func_before", "after": "func_after"})

    assert sides(one.rows) == [(F, 1, None), (H, 0, None)]
    assert "fields: {before: func_before, after: func_after}" in one.notes[0]
    assert sides(both.rows) == [(F, 1, "row-1"), (G, 0, "row-1"), (H, 0, None)]


def test_a_row_of_which_one_text_is_missing_gives_the_other_alone_and_the_inspection_counts_it(tmp_path: Path):
    path = write_csv(tmp_path / "pairs.csv", {"before": F, "after": G}, {"before": H, "after": ""})

    reading = read(path)

    assert sides(reading.rows) == [(F, 1, "row-1"), (G, 0, "row-1"), (H, 1, None)]
    assert any("1 of 2 rows" in note for note in inspection_of(reading, PrepareConfig()).notes)
