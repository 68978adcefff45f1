"""What is measured of a bundle: its lines against those that patches change, its verdicts after edits."""

import json
from pathlib import Path

import pytest

from cellgate.contract.configs import Split
from tests.trained_runs import PLANTED, planted_function, run_cell
from trainers.__main__ import main
from trainers.bundle.bundle import Bundle
from trainers.bundle.invariance import measure_invariance
from trainers.bundle.line_evaluation import evaluate_lines
from trainers.bundle.pack_and_score import rank_lines, try_edits
from trainers.data.dataset import Dataset
from trainers.evaluation.edits import EDITS


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


def test_verdicts_are_taken_again_after_each_edit_on_the_functions_that_allow_it(bundle: Path, pairs: Path) -> None:
    opened, dataset = Bundle.open(bundle, self_test=False), Dataset.open(pairs)

    found = measure_invariance(opened, dataset, Split.TRAIN, limit=20)

    assert found is not None
    assert 10 <= found.functions <= 20
    # Each has one declaration: there is nothing to reorder.
    assert set(found.edits) == set(EDITS) - {"declarations"}
    for name, effect in found.edits.items():
        assert effect.functions == found.functions
        assert effect.pairs == found.functions // 2
        # All that it was trained on is right, before.
        assert (effect.f1_before, effect.pairs_correct_before) == (1, effect.pairs)
        assert (effect.flips == 0) == (effect.f1_after == 1) == (effect.pairs_correct_after == effect.pairs), name


def test_a_text_model_sees_no_blanks(bundle: Path, pairs: Path) -> None:
    found = measure_invariance(Bundle.open(bundle, self_test=False), Dataset.open(pairs), Split.TRAIN, limit=1_000)

    assert found is not None
    assert found.functions > 40
    assert found.edits["layout"].flips == 0


def test_a_packed_bundle_says_what_edits_change_where_time_allows(bundle: Path, pairs: Path) -> None:
    opened, dataset = Bundle.open(bundle, self_test=False), Dataset.open(pairs)

    found = try_edits(opened, dataset, functions_per_s=100)

    assert found is not None
    assert found.split == "gate"
    assert try_edits(opened, dataset, functions_per_s=1) is None


def test_what_edits_change_is_printed_for_people_and_for_programs(
    bundle: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bundle", "edits", str(bundle), "--dataset", str(pairs), "--split", "dev", "--limit", "8"]
    capsys.readouterr()

    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()

    assert document["split"] == "dev"
    assert len(lines) == len(document["edits"])
    assert lines[0].startswith("After taking comments out, or one in, ")
    assert f"of {document['edits']['comments']['functions']} functions are called otherwise" in lines[0]
