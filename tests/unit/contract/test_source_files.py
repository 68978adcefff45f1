"""Any file of functions can be sent: its name becomes one that the service takes."""

import re

import pytest

from cellgate.contract.source_files import MAX_NAME_CHARS, has_form, safe_name, upload_pattern


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["functions.jsonl"], "functions.jsonl"),
        (["train (1).jsonl"], "train-1.jsonl"),
        (["DATA.JSONL"], "DATA.jsonl"),
        (["Rows.Csv.GZ"], "Rows.csv.gz"),
        (["entraîné.ndjson"], "entraine.ndjson"),
        (["数据.jsonl.zst"], "functions.jsonl.zst"),
        (["-.json"], "functions.json"),
        ([".tsv"], "functions.tsv"),
        (["v1.2..final.parquet"], "v1-2-final.parquet"),
        (["train", "part 0.jsonlines"], "train-part-0.jsonlines"),
        (["a/b\\c\n\0.jsonl"], "a-b-c.jsonl"),
    ],
)
def test_a_name_becomes_plain_and_keeps_what_says_form_split_and_label(parts: list[str], name: str) -> None:
    assert safe_name(parts) == name
    assert re.fullmatch(upload_pattern(), name)


@pytest.mark.parametrize("stem", ["x" * 500, "-_" * 100, "é" * 200, "_a" * 300, "𝕏" * 90, " "])
def test_a_name_of_any_length_is_one_that_the_service_takes(stem: str) -> None:
    name = safe_name([f"{stem}.jsonl.gz"])

    assert len(name) <= MAX_NAME_CHARS
    assert re.fullmatch(upload_pattern(), name)


@pytest.mark.parametrize("name", ["rows.txt", "rows.gz", "rows.jsonl.xz", "jsonl", "rows.jsonl.bak"])
def test_other_files_are_none_of_functions(name: str) -> None:
    assert not has_form(name)
    assert not re.fullmatch(upload_pattern(), name)
