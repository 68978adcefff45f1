"""`bundle lines`: the lines that a bundle names are held against those that patches change."""

import json
from pathlib import Path

import pytest

from cellgate.contract.configs import Split
from tests.trained_runs import PLANTED, planted_function, run_cell
from trainers.__main__ import main
from trainers.bundle.bundle import Bundle
from trainers.bundle.line_evaluation import evaluate_lines
from trainers.bundle.pack_and_score import rank_lines
from trainers.data.dataset import Dataset


@pytest.fixture(scope="module")
def bundle(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packed") / "bundle"
    arguments = ["--run", planted / "t", "--dataset", planted / "prepare" / "dataset", "--out", target]
    assert main(["bundle", "pack", "--kind", "single", "--compare", "8", *map(str, arguments)]) == 0
    return target


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of vulnerable functions and their patched versions, which lack the line that decides."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = []
    for number in range(1001, 1161, 2):
        source = planted_function(number)[0]
        rows.append({"func": source, "target": 1, "pair": f"p{number}"})
        rows.append({"func": source.replace(f"{PLANTED}\n", ""), "target": 0, "pair": f"p{number}"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run_cell(folder, "prepare", "prepare", {"source": str(folder / "rows.jsonl")})
    return folder / "prepare" / "dataset"


def test_lines_that_decide_are_found_first_and_what_is_not_better_is_said(
    bundle: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    arguments = ["bundle", "lines", str(bundle), "--dataset", str(pairs), "--split", "train"]

    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(arguments) == 0
    told = capsys.readouterr().out

    assert report["functions"] == report["flaws"] > 30
    assert report["bundle"]["false_alarms"] == 0
    assert report["baselines"]["random"]["false_alarms"] > 2
    # All of these functions have fewer than eleven lines: no ranking can be better than another.
    assert report["bundle"]["top_10"] == report["baselines"]["longest"]["top_10"] == 1
    assert {"measure": "top_10", "baseline": "longest"} in report["not_beaten"]
    assert "The bundle's lines do not beat the longest lines first in Top-10 accuracy." in told


def test_a_packed_bundle_says_how_good_its_lines_are_where_gate_tells_and_time_allows(
    bundle: Path, pairs: Path, planted: Path
) -> None:
    opened, told = Bundle.open(bundle, self_test=False), Dataset.open(pairs)

    ranking = rank_lines(opened, told, functions_per_s=100)

    assert ranking is not None
    assert ranking.split == "gate"
    assert ranking.bundle.false_alarms == 0
    assert "top_10 of longest" in ranking.not_beaten
    # Too slow to rank enough in a minute, and a gate without pairs.
    assert rank_lines(opened, told, functions_per_s=1) is None
    assert rank_lines(opened, Dataset.open(planted / "prepare" / "dataset"), functions_per_s=100) is None


def test_of_many_functions_as_many_are_ranked_as_allowed(bundle: Path, pairs: Path) -> None:
    report = evaluate_lines(Bundle.open(bundle, self_test=False), Dataset.open(pairs), Split.TRAIN, limit=10)

    assert 5 <= report.functions <= 10
    assert report.left_out == 0


def test_a_split_without_pairs_is_refused(bundle: Path, planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = planted / "prepare" / "dataset"

    assert main(["bundle", "lines", str(bundle), "--dataset", str(dataset)]) == 3

    assert "expected pairs of a vulnerable function and its patched version" in capsys.readouterr().err
