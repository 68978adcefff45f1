"""What a static analyser found in the files of single functions becomes a score of each function."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.errors import DataError
from cellgate.contract.function_files import file_stem
from trainers.evaluation.score_files import read_scores

IDS = ["a", "b/../c", "ü"]


def result(uri: str, **fields: Any) -> dict[str, Any]:
    return {"locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}], **fields}


def written(folder: Path, *results: Any, **run: Any) -> Path:
    path = folder / "analyser.sarif"
    path.write_text(json.dumps({"version": "2.1.0", "runs": [{"results": list(results), **run}]}))
    return path


def scores(folder: Path, *results: Any, **run: Any) -> list[float]:
    return read_scores(written(folder, *results, **run), IDS).tolist()


def test_a_function_with_a_result_is_called_vulnerable_and_one_without_is_not(tmp_path: Path) -> None:
    found = scores(
        tmp_path,
        result(f"{file_stem('a')}.c"),
        result(f"file:///srv/out/{file_stem('ü')}.cpp?x#y"),
    )

    assert found == [1.0, 0.0, 1.0]


def test_ranks_are_probabilities_and_the_highest_counts(tmp_path: Path) -> None:
    name = f"{file_stem('a')}.c"

    assert scores(tmp_path, result(name, rank=20), result(name, rank=70.5)) == [0.705, 0.0, 0.0]
    # -1 is the standard's default: no rank.
    assert scores(tmp_path, result(name, rank=20), result(name, rank=-1)) == [1.0, 0.0, 0.0]


def test_a_location_may_name_its_file_by_its_place_among_the_run_s_artifacts(tmp_path: Path) -> None:
    by_index = {"locations": [{"physicalLocation": {"artifactLocation": {"index": 1}}}]}
    artifacts = [{"location": {"uri": "other.c"}}, {"location": {"uri": f"out/{file_stem('a')}.c"}}]

    assert scores(tmp_path, by_index, artifacts=artifacts) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "claims_nothing",
    [
        {"kind": "pass"},
        {"kind": "notApplicable"},
        {"level": "none"},
        {"suppressions": [{"kind": "external"}]},
        {"suppressions": [{"kind": "inSource", "status": "accepted"}]},
        {"baselineState": "absent"},
    ],
    ids=str,
)
def test_what_claims_no_problem_does_not_count(tmp_path: Path, claims_nothing: dict[str, Any]) -> None:
    [first, *_] = scores(tmp_path, result(f"{file_stem('a')}.c", **claims_nothing))

    assert first == 0.0


def test_a_suppression_that_was_rejected_suppresses_nothing(tmp_path: Path) -> None:
    [first, *_] = scores(tmp_path, result(f"{file_stem('a')}.c", suppressions=[{"status": "rejected"}]))

    assert first == 1.0


def test_an_analyser_that_found_nothing_calls_everything_safe(tmp_path: Path) -> None:
    assert scores(tmp_path) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "text",
        [],
        {},
        {"locations": "here"},
        {"locations": [None, {}, {"physicalLocation": []}]},
        {"locations": [{"physicalLocation": {"artifactLocation": {"uri": 5, "index": "0"}}}]},
        {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "http://[half"}}}]},
        {"locations": [{"physicalLocation": {"artifactLocation": {"index": 10**30}}}]},
        result(f"{file_stem('b/../c')}.c", kind=["fail"]),
    ],
    ids=str,
)
def test_odd_results_are_passed_over_and_the_others_count(tmp_path: Path, odd: Any) -> None:
    assert scores(tmp_path, odd, result(f"{file_stem('a')}.c")) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "text", ["not JSON", "[]", "{}", '{"runs": 1}', "[" * 100_000, '{"runs": [NaN]}'], ids=range(6)
)
def test_what_is_no_sarif_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.sarif.json"
    path.write_text(text)

    with pytest.raises(DataError, match="SARIF"):
        read_scores(path, IDS)


def test_results_of_another_tree_are_refused_rather_than_taken_for_silence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'main' one of them, expected files of this data set"):
        scores(tmp_path, result("src/main.c"), result("src/other.c"))
