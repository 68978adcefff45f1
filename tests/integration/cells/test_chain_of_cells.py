"""Cells 52 to 54 one after another over a trained cell 51, each a process of its own, as the worker runs them."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from cellgate.contract.abstention import least_within
from cellgate.contract.configs import Split
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.options import OPTIONS
from cellgate.contract.results import RunResult, read_result
from tests.warm_trainers import WarmTrainers
from trainers.data.dataset import Dataset
from trainers.engine.metrics import margins, sigmoid
from trainers.engine.predictions import predictions_path, read_predictions, write_predictions

Finished = subprocess.CompletedProcess[str]


def run_cell(warm: WarmTrainers, name: str, spec: dict[str, Any], out: Path) -> Finished:
    """Run one cell to its end."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "spec.json").write_text(json.dumps(spec, default=str))
    return warm.run(name, "--spec", str(out / "spec.json"), "--out", str(out))


def succeed(warm: WarmTrainers, name: str, spec: dict[str, Any], out: Path) -> RunResult:
    done = run_cell(warm, name, spec, out)
    assert done.returncode == ExitCode.SUCCESS, done.stderr
    return read_result(out / "result.json")


@pytest.fixture(scope="module")
def folder(warm: WarmTrainers, every_cell: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of this module lies: the data set and the text model are copies, the graph model is new."""
    folder = tmp_path_factory.mktemp("chain")
    for shared, ours in (("dataset", "dataset"), ("t0", "transformer")):
        shutil.copytree(every_cell / shared, folder / ours)
    small = {"model": {"width": 32}, "training": {"epochs": 4, "batch_size": 16, "learning_rate": {"value": 3e-3}}}
    spec = {"cell": 52, "dataset": folder / "dataset", "seed": 0, "lr_cache": folder / "lr", "device": "cpu", **small}
    succeed(warm, "gnn", spec, folder / "gnn")
    return folder


@pytest.fixture(scope="module")
def fusion_spec(folder: Path) -> dict[str, Any]:
    """A spec of cell 53 over both bases."""
    return {
        "cell": 53,
        "dataset": folder / "dataset",
        "seed": 0,
        "device": "cpu",
        "transformer": folder / "transformer",
        "gnn": folder / "gnn",
        "training": {"epochs": 5},
    }


@pytest.fixture(scope="module")
def fusion(warm: WarmTrainers, folder: Path, fusion_spec: dict[str, Any]) -> RunResult:
    """The result of cell 53."""
    return succeed(warm, "fusion", fusion_spec, folder / "fusion")


@pytest.fixture
def damaged_gnn(folder: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Copies the graph model's run without its first gate rows, with a result that vouches for the files."""

    def make(dropped: int) -> Path:
        copy = tmp_path / "gnn"
        for split in (Split.DEV, Split.FUSE, Split.GATE, Split.TEST):
            predictions = read_predictions(predictions_path(folder / "gnn", split))
            first = dropped if split is Split.GATE else 0
            columns = {name: column[first:] for name, column in vars(predictions).items()}
            write_predictions(predictions_path(copy, split), type(predictions)(**columns))
        content = json.loads((folder / "gnn" / "result.json").read_bytes())
        for path in copy.rglob("*.arrow"):
            content["artifacts"][path.relative_to(copy).as_posix()] = sha256_of_file(path)
        write_json(copy / "result.json", content)
        return copy

    return make


def events_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "events.jsonl").read_bytes().splitlines()]


def test_the_graph_model_learns_the_generated_functions(folder: Path) -> None:
    result = read_result(folder / "gnn" / "result.json")

    # Chance is 0.5; the exact figure depends on the machine's arithmetic.
    auroc = result.metrics["gate"].auroc
    assert auroc is not None
    assert auroc > 0.6


def test_the_same_seed_trains_the_same_weights(warm: WarmTrainers, folder: Path, tmp_path: Path) -> None:
    spec = json.loads((folder / "gnn" / "spec.json").read_text())

    succeed(warm, "gnn", spec, tmp_path / "again")

    first, again = (sha256_of_file(out / "model" / "model.safetensors") for out in (folder / "gnn", tmp_path / "again"))
    assert first == again


def test_every_component_s_gradient_and_weight_norm_is_reported(folder: Path, fusion: RunResult) -> None:
    assert fusion.cell == 53

    for name, components in (
        ("gnn", ["encoder", "propagation", "classifier"]),
        ("fusion", ["transformer", "gnn", "head"]),
    ):
        reported = {key for event in events_of(folder / name) if event["kind"] == "metric" for key in event["values"]}
        for component in components:
            assert {f"grad_norm/{component}", f"weight_norm/{component}"} <= reported


def test_the_projections_learn_at_their_ratio_of_the_head_s_rate(folder: Path, fusion: RunResult) -> None:
    assert fusion.steps

    rates = [event["values"] for event in events_of(folder / "fusion") if "lr/head" in event.get("values", {})]
    assert rates
    for values in rates:
        assert values["lr/transformer"] == pytest.approx(0.5 * values["lr/head"])
        assert values["lr/gnn"] == pytest.approx(0.5 * values["lr/head"])


def test_fusion_reads_the_bases_predictions_and_leaves_them_as_they_were(folder: Path, fusion: RunResult) -> None:
    assert fusion.artifacts

    for name in ("transformer", "gnn"):
        for path, digest in read_result(folder / name / "result.json").artifacts.items():
            assert sha256_of_file(folder / name / path) == digest


def test_fusion_refuses_a_base_run_of_another_seed_or_cell(
    warm: WarmTrainers, fusion_spec: dict[str, Any], tmp_path: Path
) -> None:
    swapped = {**fusion_spec, "seed": 1, "transformer": fusion_spec["gnn"]}

    done = run_cell(warm, "fusion", swapped, tmp_path)

    assert done.returncode == ExitCode.BAD_SPEC
    assert "/transformer: found cell 52, expected cell 51" in done.stderr
    assert "/transformer: found seed 0, expected seed 1" in done.stderr
    assert "/gnn: found seed 0, expected seed 1" in done.stderr
    assert not (tmp_path / "result.json").exists()


def test_fusion_names_the_ids_that_a_base_run_lacks(
    warm: WarmTrainers, fusion_spec: dict[str, Any], damaged_gnn: Callable[[int], Path], folder: Path, tmp_path: Path
) -> None:
    missing = read_predictions(predictions_path(folder / "gnn", Split.GATE)).ids[:2]

    done = run_cell(warm, "fusion", {**fusion_spec, "gnn": damaged_gnn(2)}, tmp_path / "out")

    assert done.returncode == ExitCode.DATA_ERROR
    for name in missing:
        assert name in done.stderr


def test_aggregation_weighs_every_option_of_the_trained_runs(
    warm: WarmTrainers, folder: Path, fusion: RunResult, tmp_path: Path
) -> None:
    outputs = {name: [{"seed": 0, "path": folder / name}] for name in ("transformer", "gnn", "fusion")}

    result = succeed(warm, "aggregation", {"cell": 54, "dataset": folder / "dataset", **outputs}, tmp_path)

    assert result.evidence is not None
    f1 = {option.option: option.f1 for option in result.evidence.options}
    assert list(f1) == [option.name for option in OPTIONS]
    assert f1["fusion"] == fusion.metrics["gate"].f1
    assert f1["gnn"] == read_result(folder / "gnn" / "result.json").metrics["gate"].f1


def test_what_the_bases_do_not_see_is_counted_by_each_and_reported_by_aggregation(
    warm: WarmTrainers, folder: Path, fusion_spec: dict[str, Any], tmp_path: Path
) -> None:
    spec = {"dataset": fusion_spec["dataset"], "resamples": 100}
    spec |= {name: [{"seed": 0, "path": fusion_spec[name]}] for name in ("transformer", "gnn")}
    evidence = succeed(warm, "aggregation", spec, tmp_path / "evidence").evidence
    gate = Dataset.open(Path(fusion_spec["dataset"]))
    rows = gate.rows(Split.GATE)
    tokenizer = AutoTokenizer.from_pretrained(folder / "transformer" / "model")
    lengths = [len(ids) for ids in tokenizer(gate.sources(rows), verbose=False)["input_ids"]]

    assert evidence is not None
    text, graph = evidence.truncation["transformer"], evidence.truncation["gnn"]
    assert text == read_result(folder / "transformer" / "result.json").truncation["gate"]
    assert (text.unit, text.rows) == ("tokens", len(rows))
    assert text.rows_cut == sum(length > text.limit for length in lengths)
    assert (graph.unit, graph.rows_cut) == ("nodes", int((gate.graph_sizes(rows)[0] >= graph.limit).sum()))
    assert text.positives == graph.positives == int(gate.labels(rows).sum())


def test_every_trained_run_has_the_coverage_that_its_option_has_in_the_evidence(
    warm: WarmTrainers, folder: Path, fusion: RunResult, tmp_path: Path
) -> None:
    assert fusion.margins
    outputs = {name: [{"seed": 0, "path": folder / name}] for name in ("transformer", "gnn", "fusion")}
    spec = {"dataset": folder / "dataset", "resamples": 100, "selective_risk": 0.3, **outputs}

    evidence = succeed(warm, "aggregation", spec, tmp_path).evidence

    assert evidence is not None
    weighed = {option.option: option.abstention for option in evidence.options if option.option in outputs}
    assert len(weighed) == len(outputs)
    for name, abstention in weighed.items():
        margins = read_result(folder / name / "result.json").margins
        place = least_within([margin.risk_bound for margin in margins], 0.3)
        assert abstention is not None
        assert abstention.margins == [None if place is None else margins[place].margin]
        assert abstention.coverage.mean == (0 if place is None else margins[place].coverage)


def test_aggregation_refuses_predictions_that_its_run_does_not_vouch_for(
    warm: WarmTrainers, folder: Path, tmp_path: Path
) -> None:
    outputs = {name: [{"seed": 0, "path": folder / name}] for name in ("transformer", "gnn")}
    kept = predictions_path(folder / "gnn", Split.TEST).read_bytes()
    try:
        predictions_path(folder / "gnn", Split.TEST).write_bytes(
            predictions_path(folder / "gnn", Split.DEV).read_bytes()
        )
        done = run_cell(warm, "aggregation", {"cell": 54, "dataset": folder / "dataset", **outputs}, tmp_path)
    finally:
        predictions_path(folder / "gnn", Split.TEST).write_bytes(kept)

    assert done.returncode == ExitCode.DATA_ERROR
    assert "gnn/0, test" in done.stderr


def test_predictions_are_calibrated_probabilities_of_the_rows_labels(folder: Path) -> None:
    result = read_result(folder / "gnn" / "result.json")
    predictions = read_predictions(predictions_path(folder / "gnn", Split.GATE))
    assert result.temperature is not None
    assert result.threshold is not None

    probability_R = sigmoid(margins(predictions.logits_RC) / result.temperature)

    right = (probability_R >= result.threshold) == (predictions.labels_R == 1)
    assert np.mean(right) == pytest.approx(result.metrics["gate"].accuracy)
