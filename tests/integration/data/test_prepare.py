"""`prepare` from file to data set: deterministic, honest about what it dropped, whole or not there."""

import contextlib
import gzip
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from cellgate.contract.artifacts import DATASET_FOLDER
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, OutOfMemoryError
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import PrepareSpec
from trainers.data.dataset import Dataset
from trainers.data.encoding import build_graphs
from trainers.data.prepare import PrepareResult, prepare
from trainers.demo_data.generator import generate

# Of `generated`, prepared with nothing set.
FIRST_RELEASE_ID = "sha256:7f879de6ad70b53d9a47a0ee099763191427e27e2b148d3dec3558fe51e63142"
Record = dict[str, Any]
Run = Callable[..., PrepareResult]


@pytest.fixture(scope="module")
def generated() -> list[Record]:
    """600 generated functions in 300 pairs."""
    return list(generate(functions=600, seed=3))


def prepare_records(rows: list[Record], out: Path, **settings: Any) -> PrepareResult:
    source = out.with_suffix(".jsonl")
    source.write_text("\n".join(json.dumps(row) for row in rows))
    with EventWriter(out / "events.jsonl") as events:
        return prepare(PrepareSpec(source=source, **settings), out, events)


@pytest.fixture
def run_prepare(tmp_path: Path) -> Run:
    """Prepares records in a folder of the test."""

    def run(rows: list[Record], folder: str = "out", **settings: Any) -> PrepareResult:
        return prepare_records(rows, tmp_path / folder, **settings)

    return run


@pytest.fixture(scope="module")
def prepared(generated: list[Record], tmp_path_factory: pytest.TempPathFactory) -> tuple[PrepareResult, Path]:
    """What comes of `generated` with nothing set, and where it lies; tests read it and change nothing."""
    out = tmp_path_factory.mktemp("prepared") / "out"
    return prepare_records(generated, out), out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / DATASET_FOLDER).iterdir()}


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / DATASET_FOLDER / "report.json").read_bytes())
    return report


def test_the_same_input_gives_the_same_bytes_whatever_the_number_of_workers(
    generated: list[Record], prepared: tuple[PrepareResult, Path], run_prepare: Run, tmp_path: Path
):
    one, folder = prepared
    again = run_prepare(generated, "again")
    parallel = run_prepare(generated, "parallel", workers=2)

    assert one.summary.id == again.summary.id == parallel.summary.id
    assert contents(folder) == contents(tmp_path / "again") == contents(tmp_path / "parallel")


@pytest.mark.parametrize("settings", [{"split_seed": 1}, {"max_nodes": 40}, {"token_vocab_size": 50}])
def test_another_setting_gives_another_id(generated: list[Record], run_prepare: Run, settings: dict[str, int]):
    assert run_prepare(generated, **settings).summary.id != FIRST_RELEASE_ID


def test_another_label_gives_another_id(generated: list[Record], run_prepare: Run):
    changed = [{**generated[0], "target": 1 - generated[0]["target"]}, *generated[1:]]

    assert run_prepare(changed).summary.id != FIRST_RELEASE_ID


def test_the_result_and_the_hashes_are_those_on_disk(prepared: tuple[PrepareResult, Path]):
    result, folder = prepared

    dataset = Dataset.open(folder / result.summary.path, verify=True)
    assert dataset.id == result.summary.id
    assert result.summary.rows == len(dataset) == 600
    assert sum(summary.rows for summary in result.summary.splits.values()) == 600
    assert set(result.artifacts) == {f"dataset/{name}" for name in contents(folder)}


def test_both_members_of_every_pair_are_in_one_split(prepared: tuple[PrepareResult, Path]):
    _, folder = prepared

    dataset = Dataset.open(folder / DATASET_FOLDER)
    for split in Split:
        assert set(Counter(dataset.pairs(dataset.rows(split))).values()) == {2}


def test_the_generated_set_gives_nothing_away_to_a_bag_of_tokens(prepared: tuple[PrepareResult, Path]):
    result, folder = prepared

    probes = report_of(folder)["probes"]
    assert result.summary.bag_of_tokens_f1 == probes["bag_of_tokens"]["f1"] < 0.75
    # 36 of the gate's 72 functions are vulnerable: precision 1/2, recall 1.
    assert probes["all_positive_f1"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_token_that_gives_labels_away_is_reported(generated: list[Record], run_prepare: Run, tmp_path: Path):
    marked = [
        {**row, "func": row["func"].replace("{", "{ danger();", 1)} if row["target"] else row for row in generated
    ]

    result = run_prepare(marked)

    assert report_of(tmp_path / "out")["probes"]["bag_of_tokens"]["f1"] > 0.95
    assert any("bag of tokens" in warning for warning in result.summary.warnings)


def copies_with_one_more_token(rows: list[Record], count: int) -> list[Record]:
    """Near-duplicates of the first functions, as functions and groups of their own."""
    return [
        {
            **{name: row[name] for name in ("func", "target")},
            "id": f"near-{row['id']}",
            "func": row["func"].replace("{", "{;", 1),
        }
        for row in rows[:count]
    ]


def test_near_duplicates_across_splits_are_counted_listed_and_warned_of(
    generated: list[Record], run_prepare: Run, tmp_path: Path
):
    result = run_prepare([*generated, *copies_with_one_more_token(generated, 100)])

    report = report_of(tmp_path / "out")["near_duplicates"]
    gate = report["either"]["gate"]
    assert gate["rows"] >= 3
    assert result.summary.near_duplicates["gate"].model_dump() == gate
    assert gate["share"] == pytest.approx(gate["rows"] / result.summary.splits["gate"].rows, abs=1e-6)
    assert report["either"]["gate"]["rows"] >= report["names_kept"]["gate"]["rows"]
    dataset = Dataset.open(tmp_path / "out" / DATASET_FOLDER)
    train = set(dataset.ids(dataset.rows("train")))
    assert len(report["pairs"]) == min(50, sum(counts["rows"] for counts in report["either"].values()))
    assert all(pair["train_id"] in train and pair["id"] not in train for pair in report["pairs"])
    assert any("Near-duplicates of functions in train" in warning for warning in result.summary.warnings)


def test_near_duplicates_that_are_grouped_share_a_split(generated: list[Record], run_prepare: Run, tmp_path: Path):
    near = copies_with_one_more_token(generated, 100)

    result = run_prepare([*generated, *near], near_duplicates="group")

    dataset = Dataset.open(tmp_path / "out" / DATASET_FOLDER)
    split_of = {row_id: split for split in Split for row_id in dataset.ids(dataset.rows(split))}
    assert all(split_of[row["id"]] == split_of[row["id"].removeprefix("near-")] for row in near)
    assert len({split_of[row["id"]] for row in near}) == 5
    assert all(counts.rows == 0 for counts in result.summary.near_duplicates.values())
    assert not any("Near-duplicates" in warning for warning in result.summary.warnings)


def test_copies_and_contradictions_are_dropped_and_counted(generated: list[Record], run_prepare: Run, tmp_path: Path):
    first, second, third, *_ = generated
    exact = {**first, "id": "exact", "func": first["func"].replace("\n", "\n\n")}
    renamed = {**second, "id": "renamed", "func": second["func"].replace(name_of(second), "another_name")}
    opposite = {**third, "id": "opposite", "target": 1 - third["target"]}

    run_prepare([*generated, exact, renamed, opposite])

    report = report_of(tmp_path / "out")
    assert {
        key: report["rows"][key] for key in ("read", "exact_duplicates", "renamed_duplicates", "contradictory")
    } == {
        "read": 603,
        "exact_duplicates": 1,
        "renamed_duplicates": 1,
        "contradictory": 2,
    }
    assert report["rows"]["kept"] == 599
    assert report["contradictions"] == [{"ids": [third["id"], "opposite"], "lines": [3, 603]}]


def name_of(row: Record) -> str:
    """The function's own name: the last word before the first parenthesis."""
    return str(row["func"]).split("(")[0].split()[-1].lstrip("*")


def test_functions_that_are_cut_off_more_often_when_vulnerable_are_reported(generated: list[Record], run_prepare: Run):
    vulnerable = itertools.count()
    cut = [
        {**row, "func": row["func"].rstrip().removesuffix("}")} if row["target"] and next(vulnerable) % 4 == 0 else row
        for row in generated
    ]

    result = run_prepare(cut)

    assert result.summary.graph_quality == {"parsed": 525, "partial": 75, "token_chain": 0}
    assert any("25.0% of the vulnerable and 0.0% of the other functions" in w for w in result.summary.warnings)


def test_too_few_positives_in_gate_are_reported(prepared: tuple[PrepareResult, Path]):
    result, _ = prepared

    assert any("36 vulnerable functions" in warning for warning in result.summary.warnings)


def test_a_set_that_lacks_a_class_in_a_split_is_refused(generated: list[Record], run_prepare: Run, tmp_path: Path):
    with pytest.raises(DataError, match="a class is missing"):
        run_prepare([row for row in generated if row["target"] == 0])

    assert not (tmp_path / "out" / DATASET_FOLDER).exists()


def test_a_bad_file_leaves_the_data_set_of_before_in_place(generated: list[Record], run_prepare: Run, tmp_path: Path):
    before = run_prepare(generated)

    with pytest.raises(DataError):
        run_prepare([*generated, {"func": "int f() {}", "target": 7}], max_left_out_share=0)

    assert Dataset.open(tmp_path / "out" / DATASET_FOLDER, verify=True).id == before.summary.id


def test_preparing_again_replaces_the_data_set_and_leaves_nothing_else(
    generated: list[Record], run_prepare: Run, tmp_path: Path
):
    run_prepare(generated)
    result = run_prepare(generated, split_seed=1)

    assert Dataset.open(tmp_path / "out" / DATASET_FOLDER, verify=True).id == result.summary.id
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dataset", "events.jsonl"]


def test_a_process_that_is_killed_while_it_builds_graphs_is_named_with_what_to_do():
    def kill_builders(done: int) -> None:
        for child in psutil.Process().children() if done else []:
            # It may have ended between the look and the kill.
            with contextlib.suppress(psutil.NoSuchProcess):
                if any("spawn_main" in part for part in child.cmdline()):
                    child.kill()

    sources = [f"int f(int a) {{ return a + {i}; }}" for i in range(20_000)]
    with pytest.raises(OutOfMemoryError, match="fewer workers"):
        build_graphs(sources, max_nodes=100, workers=2, progress=kill_builders, file=io.BytesIO())


def test_events_tell_each_phase_the_progress_and_the_speed(prepared: tuple[PrepareResult, Path]):
    result, folder = prepared

    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    phases = [event["phase"] for event in events if event["kind"] == "phase"]
    assert phases == ["read", "deduplicate", "compare", "split", "graphs", "probe", "write"] == list(result.timings_s)
    progress = [event for event in events if event["kind"] == "progress"]
    assert (progress[-1]["done"], progress[-1]["total"]) == (600, 600)
    (metric,) = [event for event in events if event["kind"] == "metric"]
    assert metric["values"]["graphs/functions_per_s"] > 0


def test_real_functions_are_prepared_and_most_of_them_parse(real_data: Path, run_prepare: Run, tmp_path: Path):
    with gzip.open(real_data / "dev_devign.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in itertools.islice(file, 0, 22_000, 44)]

    result = run_prepare(
        rows,
        fields={"split": "split_proposed"},
        honour_split={"train": ["train"], "valid": ["dev", "fuse", "gate", "test"]},
    )

    # The folder's own description: 83.9 % parse as C, and there are no copies left.
    assert result.summary.graph_quality["parsed"] >= 0.80 * len(rows)
    assert result.summary.rows == len(rows)
    dataset = Dataset.open(tmp_path / "out" / DATASET_FOLDER, verify=True)
    proposed = {row["id"]: row["split_proposed"] for row in rows}
    assert {proposed[row_id] for row_id in dataset.ids(dataset.rows("train"))} == {"train"}
    assert {proposed[row_id] for row_id in dataset.ids(dataset.rows("gate"))} == {"valid"}


def test_one_bad_row_is_left_out_with_a_warning_and_the_report_has_its_line(
    generated: list[Record], run_prepare: Run, tmp_path: Path
):
    result = run_prepare([{"func": "/* moved */", "target": 0}, *generated])

    assert result.summary.rows == 600
    assert any("1 rows were left out for mistakes (no_token 1)" in warning for warning in result.summary.warnings)
    (left_out,) = report_of(tmp_path / "out")["reading"]["left_out"]
    assert (left_out["reason"], left_out["places"]) == ("no_token", ["line 1: only a comment"])


def test_settings_that_are_new_leave_the_id_of_a_set_that_does_not_use_them(
    generated: list[Record], run_prepare: Run, tmp_path: Path
):
    # As the first release made it from the same functions, at its default.
    result = run_prepare(generated, token_vocab_size=2_000)

    assert result.summary.id == FIRST_RELEASE_ID
    manifest = json.loads((tmp_path / "out" / DATASET_FOLDER / "dataset.json").read_bytes())
    assert not {"labels", "languages", "split", "max_left_out_share"} & set(manifest["prepare"])


def test_dates_are_kept_where_there_are_any(generated: list[Record], run_prepare: Run, tmp_path: Path):
    dated = [{**row, "date": f"20{place // 2 % 25:02}-01-01"} for place, row in enumerate(generated)]

    result = run_prepare(dated, split="time")

    functions = pa.ipc.open_file(tmp_path / "out" / DATASET_FOLDER / "functions.arrow").read_all()
    by_split: dict[str, list[str]] = {}
    for date, split in zip(*(functions.column(name).to_pylist() for name in ("date", "split")), strict=True):
        by_split.setdefault(split, []).append(date)
    assert max(by_split["train"]) < min(by_split["test"])
    assert sum(summary.rows for summary in result.summary.splits.values()) == 600


def test_texts_that_do_not_parse_are_warned_of(generated: list[Record], run_prepare: Run):
    odd = [{**row, "func": f"f({{@ @}}) {{ @ {place} @ }}"} for place, row in enumerate(generated[:12])]

    result = run_prepare([*odd, *generated[12:]])

    assert result.summary.graph_quality["token_chain"] + result.summary.graph_quality["partial"] == 12
    assert any("functions do not parse as C or C++ at all" in warning for warning in result.summary.warnings)
