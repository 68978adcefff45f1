"""A detector is judged on gate and test, with what these share with its training on top."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellgate.contract.configs import Split
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.results import Evaluation, read_result
from trainers.__main__ import main
from trainers.data.dataset import Dataset
from trainers.evaluation.overlap import measure_overlap


def judged(dataset: Dataset) -> np.ndarray:
    return np.sort(np.concatenate([dataset.rows(split) for split in (Split.GATE, Split.TEST)]))


def run(folder: Path, code: int = ExitCode.SUCCESS, **spec: Any) -> Path:
    path = folder / "spec.json"
    path.write_text(json.dumps({**spec}))
    assert main(["evaluate", "--spec", str(path), "--out", str(folder / "out")]) == code
    return folder / "out"


def evaluate(folder: Path, dataset: Path, probabilities: dict[str, float], **spec: Any) -> Evaluation:
    """Return the evaluation of these scores."""
    lines = (json.dumps({"id": name, "probability": value}) for name, value in probabilities.items())
    (folder / "scores.jsonl").write_text("\n".join(lines))
    out = run(folder, dataset=str(dataset), scores=str(folder / "scores.jsonl"), **spec)
    found = read_result(out / "result.json").evaluation
    assert found is not None
    return found


@pytest.fixture
def labels(dataset: Dataset) -> dict[str, float]:
    """Probabilities of a detector that knows everything."""
    rows = judged(dataset)
    return dict(zip(dataset.ids(rows), dataset.labels(rows).astype(float).tolist(), strict=True))


def test_a_detector_that_knows_everything_and_one_that_knows_the_opposite(
    aggregated_dataset_folder: Path, labels: dict[str, float], tmp_path: Path
) -> None:
    for name, probabilities, f1 in (
        ("right", labels, 1.0),
        ("wrong", {function: 1 - label for function, label in labels.items()}, 0.0),
    ):
        (tmp_path / name).mkdir()
        found = evaluate(tmp_path / name, aggregated_dataset_folder, probabilities)

        assert (found.metrics.f1, found.f1_interval.low, found.f1_interval.high) == (f1, f1, f1)
        assert (found.metrics.rows, found.threshold, found.overlap) == (len(labels), 0.5, None)
        assert found.pair_verdicts is not None
        assert found.pair_verdicts.correct.mean == f1
        assert {one.accuracy["detector"] for one in found.slices} == {f1}


def test_a_probability_at_the_threshold_calls_a_function_vulnerable(
    aggregated_dataset_folder: Path, labels: dict[str, float], tmp_path: Path
) -> None:
    found = evaluate(tmp_path, aggregated_dataset_folder, dict.fromkeys(labels, 0.7), threshold=0.7)

    assert found.metrics.recall == 1.0
    assert found.metrics.f1 == pytest.approx(found.metrics.all_positive_f1)
    assert found.f1_interval.low <= found.metrics.f1 <= found.f1_interval.high


def test_scores_of_too_few_functions_end_as_an_error_of_the_data(
    aggregated_dataset_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "scores.jsonl").write_text("")

    run(tmp_path, ExitCode.DATA_ERROR, dataset=str(aggregated_dataset_folder), scores=str(tmp_path / "scores.jsonl"))


@pytest.mark.parametrize("named", [{}, {"bundle": "b", "scores": "s"}], ids=["neither", "both"])
def test_a_spec_names_one_detector(tmp_path: Path, named: dict[str, str]) -> None:
    run(tmp_path, ExitCode.BAD_SPEC, dataset="d", **named)


def test_functions_of_training_are_found_as_copies_and_those_of_other_splits_are_none(dataset: Dataset) -> None:
    train, held_out = dataset.rows(Split.TRAIN), judged(dataset)

    all_seen, seen_R = measure_overlap(dataset, train, dataset)
    none_seen, _ = measure_overlap(dataset, held_out, dataset)

    assert (all_seen.exact, all_seen.near, bool(seen_R.all())) == (len(train), 0, True)
    assert all_seen.same_commit == sum(commit is not None for commit in dataset.commits(train))
    # `prepare` keeps copies and commits apart; projects it does not.
    assert (none_seen.exact, none_seen.same_commit) == (0, 0)


def test_scores_without_what_was_seen_stand_beside_those_of_all(
    aggregated_dataset_folder: Path, labels: dict[str, float], tmp_path: Path
) -> None:
    found = evaluate(tmp_path, aggregated_dataset_folder, labels, trained_on=str(aggregated_dataset_folder))

    assert found.overlap is not None
    assert found.overlap.exact == 0
    if found.overlap.near:
        assert found.unseen is not None
        assert found.unseen.rows == found.metrics.rows - found.overlap.near


def dated_set(folder: Path, dates: list[str | None]) -> Path:
    """Prepare a set for evaluation only, of functions with these dates; every second one is vulnerable."""
    rows = [
        {"id": f"f{place}", "func": f"int f{place}(int a) {{ return a + {place}; }}", "target": place % 2, "date": day}
        for place, day in enumerate(dates)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {"source": str(folder / "rows.jsonl"), "evaluation": "test"}
    (folder / "prepare.json").write_text(json.dumps(spec))
    assert main(["prepare", "--spec", str(folder / "prepare.json"), "--out", str(folder / "prepared")]) == 0
    return folder / "prepared" / "dataset"


def test_functions_that_are_newer_than_the_cut_off_are_judged_by_themselves_too(tmp_path: Path) -> None:
    dataset = dated_set(tmp_path, ["2023-09-29", "2023-09-30", "2023-10-01", "2024-02-01", "2024-02-01", None])
    opened = Dataset.open(dataset)
    rows = judged(opened)
    # What is older is called right; of the newer three, f2 to f4, the vulnerable one is found with both false alarms.
    probabilities = dict(zip(opened.ids(rows), opened.labels(rows).astype(float).tolist(), strict=True))
    probabilities |= {"f2": 1.0, "f3": 1.0, "f4": 1.0}

    found = evaluate(tmp_path, dataset, probabilities, cutoff="2023-09-30").since_cutoff

    assert found is not None
    assert (found.cutoff, found.older, found.undated) == ("2023-09-30", 2, 1)
    assert found.newer is not None
    assert (found.newer.rows, found.newer.precision, found.newer.recall) == (3, pytest.approx(1 / 3), 1.0)
    assert found.f1_interval is not None
    assert found.f1_interval.low <= found.newer.f1 <= found.f1_interval.high


def test_where_nothing_is_newer_than_the_cut_off_there_are_no_scores_of_it(
    aggregated_dataset_folder: Path, labels: dict[str, float], tmp_path: Path
) -> None:
    # The generated functions have no dates.
    found = evaluate(tmp_path, aggregated_dataset_folder, labels, cutoff="1970-01-01").since_cutoff

    assert found is not None
    assert (found.older, found.undated, found.newer, found.f1_interval) == (0, len(labels), None, None)


@pytest.mark.parametrize("cutoff", ["2023-02-30", "2023-9-1", "yesterday", "2023-09-30T00:00:00", "", 20230930])
def test_a_cut_off_is_a_day_of_the_calendar(tmp_path: Path, cutoff: object) -> None:
    run(tmp_path, ExitCode.BAD_SPEC, dataset="d", scores="s", cutoff=cutoff)
