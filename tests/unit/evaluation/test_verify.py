"""Weighing again what cell 54 has weighed: the same bytes, or where they differ."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.errors import DataError
from cellgate.contract.files import write_json
from cellgate.contract.specs import AggregationSpec
from tests.finished_runs import MakeSpec, aggregate, noisy_log_odds, write_run
from trainers.__main__ import main
from trainers.data.dataset import Dataset
from trainers.evaluation import differences, evidence
from trainers.evaluation.aggregate import weigh
from trainers.evaluation.verify import verify
from trainers.evaluation.weighing import Weighing


@pytest.fixture
def spec(make_spec: MakeSpec) -> AggregationSpec:
    """Of a run over three seeds, without fusion."""
    return make_spec(fusion=[])


@pytest.fixture
def out(spec: AggregationSpec, tmp_path: Path) -> Path:
    """The folder of a finished run of cell 54, as a worker leaves it."""
    folder = tmp_path / "out"
    aggregate(spec, folder)
    write_json(folder / "spec.json", spec.model_dump(mode="json"))
    return folder


def changed(path: Path, change: Any) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    write_json(path, document)


def test_what_nobody_touched_comes_out_the_same(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(out)]) == 0
    assert "byte for byte" in capsys.readouterr().out


def test_a_figure_that_was_changed_is_named_with_what_it_should_be(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def flatter(result: dict[str, Any]) -> None:
        result["evidence"]["options"][2]["f1"] = 0.99

    measured = json.loads((out / "result.json").read_bytes())["evidence"]["options"][2]["f1"]
    changed(out / "result.json", flatter)

    assert main(["verify", str(out)]) == 3
    reported = capsys.readouterr().err
    assert "result.json/options/2/f1" in reported
    assert "0.99" in reported
    assert str(measured) in reported


def test_a_share_of_pairs_that_was_changed_is_named(out: Path) -> None:
    def flatter(result: dict[str, Any]) -> None:
        result["evidence"]["options"][2]["pair_verdicts"]["correct"]["per_seed"][1] = 1.0

    changed(out / "result.json", flatter)

    with pytest.raises(DataError) as caught:
        verify(out)

    assert [problem.where for problem in caught.value.problems] == [
        "result.json/options/2/pair_verdicts/correct/per_seed/1"
    ]


def test_documents_of_a_release_that_did_not_judge_pairs_come_out_the_same(out: Path) -> None:
    def older(evidence: dict[str, Any]) -> None:
        for option in evidence["options"]:
            del option["pair_verdicts"]

    def older_report(report: dict[str, Any]) -> None:
        older(report["evidence"])
        for option in report["options"]:
            for of_seed in option["seeds"]:
                for split in ("gate", "test"):
                    of_seed[split]["pairwise_correct"] = None
                    for verdict in ("vulnerable", "benign", "reversed"):
                        del of_seed[split][f"pairwise_{verdict}"]

    changed(out / "result.json", lambda result: older(result["evidence"]))
    changed(out / "report.json", older_report)

    verify(out)


def test_documents_of_a_release_whose_comparisons_had_no_p_value_come_out_the_same(
    spec: AggregationSpec, out: Path
) -> None:
    older = weigh(spec, weighing=Weighing.WITHOUT_P_VALUES)
    evidence, report = older.evidence.model_dump(mode="json"), older.report.model_dump(mode="json")
    assert not any("p" in comparison for comparison in evidence["comparisons"])
    # Neither intervals of differences nor ensembles are as they are weighed now.
    now = weigh(spec).evidence.model_dump(mode="json")
    assert evidence["comparisons"][0]["f1_interval"] != now["comparisons"][0]["f1_interval"]
    assert evidence["options"][2]["ece"] != now["options"][2]["ece"]

    changed(out / "result.json", lambda result: result.update(evidence=evidence))
    write_json(out / "report.json", report)

    verify(out)


def test_documents_whose_temperatures_were_fitted_to_unsmoothed_labels_come_out_the_same(
    spec: AggregationSpec, out: Path
) -> None:
    older = weigh(spec, weighing=Weighing.UNSMOOTHED)
    evidence = older.evidence.model_dump(mode="json")
    assert evidence["options"][2]["ece"] != weigh(spec).evidence.model_dump(mode="json")["options"][2]["ece"]

    changed(out / "result.json", lambda result: result.update(evidence=evidence))
    write_json(out / "report.json", older.report.model_dump(mode="json"))

    verify(out)

    evidence["options"][2]["ece"] = 0.5
    changed(out / "result.json", lambda result: result.update(evidence=evidence))

    with pytest.raises(DataError) as caught:
        verify(out)

    assert [problem.where for problem in caught.value.problems] == ["result.json/options/2/ece"]


@pytest.mark.parametrize(("weighing", "apart"), [(Weighing.NOW, {True, False}), (Weighing.UNSMOOTHED, {False})])
def test_what_was_weighed_unsmoothed_compared_seeds_in_pairs_whatever_the_options_share(
    spec: AggregationSpec, monkeypatch: pytest.MonkeyPatch, weighing: Weighing, apart: set[bool]
) -> None:
    compared: list[bool] = []

    def compare(*args: Any, apart: bool) -> differences.Difference:
        compared.append(apart)
        return differences.compare(*args, apart=apart)

    monkeypatch.setattr(evidence, "compare", compare)

    weigh(spec, weighing=weighing)

    assert set(compared) == apart


def test_an_option_that_was_taken_out_of_a_slice_is_named(out: Path) -> None:
    changed(out / "result.json", lambda result: result["evidence"]["slices"][0]["accuracy"].pop("gnn"))

    with pytest.raises(DataError) as caught:
        verify(out)

    assert [problem.where for problem in caught.value.problems] == ["result.json/slices/0/accuracy"]


def test_a_report_that_was_changed_is_named(out: Path) -> None:
    changed(out / "report.json", lambda report: report["options"][0].update(flip_rate=0.0))

    with pytest.raises(DataError) as caught:
        verify(out)

    assert [problem.where for problem in caught.value.problems] == ["report.json/options/0/flip_rate"]


def test_a_run_that_was_trained_again_since_gives_other_evidence(
    spec: AggregationSpec, out: Path, dataset: Dataset
) -> None:
    write_run(spec.gnn[1].path, dataset, cell=52, seed=1, log_odds=noisy_log_odds(strength=0.2, seed=9))

    with pytest.raises(DataError) as caught:
        verify(out)

    where = {problem.where for problem in caught.value.problems}
    assert {"result.json/options/1/f1_per_seed/1", "result.json/inputs/gnn/1/gate"} <= where
    assert not any(pointer.startswith("result.json/options/0/") for pointer in where)


def test_predictions_that_their_run_no_longer_vouches_for_are_refused(spec: AggregationSpec, out: Path) -> None:
    path = spec.gnn[0].path / "predictions" / "gate.arrow"
    path.write_bytes((spec.gnn[1].path / "predictions" / "gate.arrow").read_bytes())

    with pytest.raises(DataError, match="predictions do not belong to data set"):
        verify(out)


@pytest.mark.parametrize("name", ["result.json", "report.json"])
def test_a_folder_that_is_no_finished_run_is_refused(out: Path, name: str) -> None:
    (out / name).unlink()

    with pytest.raises(DataError, match="no finished run of cell 54"):
        verify(out)
