"""An inspection shows every guess, and refuses where two readings are possible, with the lines that choose one."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.errors import DataError
from cellgate.contract.events import EventWriter
from cellgate.contract.inspection import Inspection
from cellgate.contract.specs import InspectSpec, PrepareSpec
from tests.unit.data.source_files import F, G, function, read, write_csv, write_lines
from trainers.__main__ import main
from trainers.data.inspect import inspect_source
from trainers.data.prepare import prepare


def inspect(*paths: Path, **config: Any) -> Inspection:
    return inspect_source(PrepareConfig(**config), paths)


def rows(count: int = 20) -> list[dict[str, Any]]:
    return [
        {"func": function(number, vulnerable=number % 2 == 1), "target": number % 2, "commit_id": f"c{number}"}
        for number in range(count)
    ]


def test_what_is_read_from_where_and_why_is_shown(tmp_path: Path):
    path = write_lines(
        tmp_path / "a.jsonl", *({**row, "hash": 5, "label": row["target"], "date": "2020-01-02"} for row in rows())
    )

    found = inspect(path)

    fields = {one.field: (one.columns, one.why, one.others, one.rows) for one in found.fields}
    assert fields["func"] == (["func"], "a known name", [], 20)
    assert fields["target"] == (["target"], "a known name", ["label"], 20)
    assert fields["commit"] == (["commit_id"], "a known name", [], 20)
    assert fields["id"] == ([], "the row's place", [], 20)
    assert [(one.value, one.meaning, one.rows) for one in found.labels] == [("0", "safe", 10), ("1", "vulnerable", 10)]
    assert (found.dates.rows, found.dates.first, found.groups.groups) == (20, "2020-01-02", 20)
    assert (found.rows, found.functions, found.vulnerable, found.is_usable) == (20, 20, 10, True)


def test_three_functions_are_shown_as_they_will_be_trained_on_with_both_labels(tmp_path: Path):
    found = inspect(write_lines(tmp_path / "a.jsonl", *rows()))

    assert [sample.where for sample in found.samples] == ["line 1", "line 2", "line 11"]
    assert {sample.target for sample in found.samples} == {0, 1}
    assert found.samples[1].func == function(1)


def test_characters_that_act_on_a_terminal_are_shown_as_escapes(tmp_path: Path):
    odd = [{**row, "func": row["func"].replace("{", "{ /* \u202e */"), "x\0y": 1} for row in rows()]

    found = inspect(write_lines(tmp_path / "a.jsonl", *odd)).model_dump_json()

    assert "\u202e" not in found
    assert "\\u0000" not in found


def test_two_texts_that_differ_are_two_readings_and_are_refused_with_the_lines_that_choose_one(tmp_path: Path):
    fixed = [{**row, "func_before": row["func"], "func": row["func"].replace("total;", "0;")} for row in rows()]
    path = write_lines(tmp_path / "fixed.jsonl", *fixed)

    (refusal,) = inspect(path).refusals

    assert "'func' and 'func_before'" in refusal.found
    assert refusal.where == "20 rows, the first at line 1"
    assert refusal.config == [
        "fields: {func: func}",
        "fields: {func: func_before}",
        "fields: {before: func_before, after: func}",
    ]
    chosen = read(path, fields={"func": "func_before"})
    assert (chosen.refusals, chosen.rows[1].func) == ([], function(1))


def test_two_texts_that_are_equal_in_all_rows_are_one_reading(tmp_path: Path):
    path = write_lines(tmp_path / "same.jsonl", *({**row, "code": row["func"] + "\n"} for row in rows()))

    assert inspect(path).refusals == []


def test_the_difference_may_stand_behind_the_rows_that_are_looked_at_first(tmp_path: Path):
    late = [{**row, "code": row["func"]} for row in rows(300)]
    late[290]["code"] = F

    (refusal,) = inspect(write_lines(tmp_path / "late.jsonl", *late)).refusals

    assert refusal.where == "1 rows, the first at line 291"


def test_two_labels_that_disagree_are_refused_and_such_that_say_the_same_in_other_words_are_not(tmp_path: Path):
    agreeing = [{**row, "vul": str(bool(row["target"]))} for row in rows()]
    disagreeing = [*agreeing[:-1], {**agreeing[-1], "vul": "False"}]

    (refusal,) = inspect(write_lines(tmp_path / "b.jsonl", *disagreeing)).refusals

    assert refusal.config == ["fields: {target: target}", "fields: {target: vul}"]
    assert inspect(write_lines(tmp_path / "a.jsonl", *agreeing)).refusals == []


def test_both_texts_of_a_fix_with_a_label_of_one_are_refused_with_both_lines(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", {"func_before": F, "func_after": G, "label": 1})

    (refusal,) = [one for one in inspect(path).refusals if one.where.startswith("columns")]

    assert refusal.config == ["fields: {func: func_before}", "fields: {before: func_before, after: func_after}"]


def test_a_split_of_the_source_that_is_not_used_is_told_with_the_line_that_uses_it(tmp_path: Path):
    path = write_lines(
        tmp_path / "a.jsonl", *({**row, "split": "test" if place > 9 else "train"} for place, row in enumerate(rows()))
    )

    unused, used = inspect(path), inspect(path, split="published")

    assert unused.splits.found == used.splits.found == {"train": 10, "test": 10}
    assert (unused.splits.used, used.splits.used) == (False, True)
    assert any("`split: published`" in note for note in unused.notes)
    assert not any("not used" in note for note in used.notes)


def test_words_for_nothing_are_no_commit_and_tie_no_functions(tmp_path: Path):
    words = ["None", "nan", "NULL", "-", "unknown", " ", "N/A", float("nan"), "(null)", "https://x.org/a/b/commit/None"]
    told = [{**row, "commit_id": word} for row, word in zip(rows(10), words, strict=True)]
    path = write_lines(tmp_path / "a.jsonl", *told)

    found = inspect(path)

    assert found.groups.groups == 10
    assert any("No function has a commit" in note for note in found.notes)


def test_one_group_of_all_functions_is_refused_by_its_name(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", *({**row, "commit_id": "c1", "project": "p"} for row in rows()))

    (refusal,) = inspect(path).refusals

    assert refusal.found == "all 20 functions are one group: commit 'c1' in project 'p'"


def test_one_project_of_all_functions_is_refused_with_another_way_to_split(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", *({**row, "project": "p"} for row in rows()))

    (refusal,) = inspect(path, split="project").refusals

    assert (refusal.found, refusal.config) == ("all 20 functions are one group: project 'p'", ["split: random"])


def test_each_label_that_files_names_state_is_counted(tmp_path: Path):
    for name in ("vulnerable", "safe"):
        write_lines(
            tmp_path / "set" / f"{name}.jsonl", {"func": function(len(name))}, {"func": function(20 + len(name))}
        )

    labels = inspect(tmp_path / "set").labels

    assert sorted((one.meaning, one.rows) for one in labels) == [("safe", 2), ("vulnerable", 2)]


def test_rows_in_which_nothing_was_fixed_are_told_and_a_set_of_such_rows_alone_is_refused(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", *({"func_before": F, "func_after": f"{F}\n"} for _ in range(2)))

    assert any(note.startswith("2 of 2 rows hold the same text before and after") for note in inspect(path).notes)
    with pytest.raises(DataError, match="no function is left"), EventWriter(tmp_path / "events.jsonl") as events:
        prepare(PrepareSpec(cell="prepare", source=path), tmp_path, events)


def test_two_columns_that_differ_in_case_alone_are_two_readings(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", *({**row, "Target": 1 - row["target"]} for row in rows()))

    (refusal,) = inspect(path).refusals

    assert refusal.config == ["fields: {target: target}", "fields: {target: Target}"]


def test_two_columns_of_code_with_unknown_names_and_no_label_are_proposed_as_a_pair(tmp_path: Path):
    path = write_lines(
        tmp_path / "a.jsonl", *({"old": function(n), "new": function(n, vulnerable=False)} for n in (1, 2))
    )

    assert inspect(path).refusals[0].config == [
        "fields: {func: old}",
        "fields: {func: new}",
        "fields: {before: old, after: new}",
    ]


def test_labels_that_contradict_their_file_s_name_are_told(tmp_path: Path):
    for name, label in (("vulnerable", 0), ("safe", 0)):
        write_lines(tmp_path / "set" / f"{name}.jsonl", {"func": function(len(name)), "target": label})

    assert any(note.startswith("1 rows have another label than their file") for note in inspect(tmp_path / "set").notes)


def test_functions_whose_line_ends_were_escaped_twice_are_told(tmp_path: Path):
    escaped = r"int f(char *b)\n{\n b[0] = 1;\n}"
    path = write_lines(tmp_path / "a.jsonl", {"func": escaped, "target": 1})
    once = write_lines(tmp_path / "b.jsonl", {"func": r'int g() { puts("a\n"); }', "target": 0})

    assert any("escaped twice" in note for note in inspect(path).notes)
    assert not any("escaped twice" in note for note in inspect(once).notes)


def test_languages_are_counted_and_which_are_kept_can_be_set(tmp_path: Path):
    stated = [{**row, "language": ("C", "Java", "C++")[place % 3]} for place, row in enumerate(rows())]
    path = write_lines(tmp_path / "a.jsonl", *stated)

    found = inspect(path)

    assert [(one.language, one.rows, one.kept) for one in found.languages] == [
        ("c", 7, True),
        ("java", 7, False),
        ("c++", 6, True),
    ]
    assert (found.functions, found.left_out_share, inspect(path, languages=[]).functions) == (13, 0, 20)


def test_a_source_that_cannot_be_read_is_an_inspection_with_a_refusal(tmp_path: Path):
    found = inspect(tmp_path / "nowhere.jsonl")

    assert "No such file" in found.refusals[0].found


def test_the_command_writes_the_inspection_and_succeeds_also_where_it_refuses(tmp_path: Path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"source": [str(write_lines(tmp_path / "a.jsonl", {"x": 1}))]}))

    assert main(["inspect", "--spec", str(spec), "--out", str(tmp_path / "out")]) == 0

    found = Inspection.model_validate_json((tmp_path / "out" / "inspection.json").read_bytes())
    assert len(found.refusals) == 2
    assert json.loads((tmp_path / "out" / "result.json").read_bytes())["inspection"]["rows"] == 1


@pytest.mark.parametrize("source", [[], "", 5])
def test_a_source_names_a_file_or_several(source: Any):
    if source == "":
        assert InspectSpec(source="a").sources == (Path("a"),)
    else:
        with pytest.raises(ValueError, match="source"):
            InspectSpec(source=source)


def test_several_files_and_folders_are_one_source_and_ids_that_begin_anew_are_told_apart(tmp_path: Path):
    first, second, *others = rows(6)
    one = write_lines(tmp_path / "one.jsonl", {**first, "idx": 0}, {**second, "idx": 1})
    write_lines(tmp_path / "folder" / "two.jsonl", *({**row, "idx": place} for place, row in enumerate(others)))

    found = read(one, tmp_path / "folder")

    assert [row.id for row in found.rows] == [
        *["0", "1", "folder/two.jsonl-0", "folder/two.jsonl-1"],
        *["2", "3"],
    ]
    assert found.refusals == []
