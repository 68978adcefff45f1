"""Pre-flight of a spec that is wrong in many ways lists them all, in one go."""

from pathlib import Path
from typing import Any

import pytest

from tests.corrupt_data import Columns, corrupt, rows_of
from tests.tiny_checkpoints import make_checkpoint

# What the spec below asks for that cannot be, by the check that sees it.
SPEC_FAULTS = {"disk", "transformer_hardware", "fusion_hardware", "transformer_model", "fusion_model"}
DATA_FAULTS = {"dataset_hashes", "labels", "classes_gate", "groups", "duplicates", "ids"}


def _corrupt(columns: Columns) -> None:
    train, gate = rows_of(columns, "train"), rows_of(columns, "gate")
    for row in gate:
        columns["label"][row] = 1
    columns["label"][rows_of(columns, "test")[0]] = 3
    columns["group"][gate[0]] = columns["group"][train[0]]
    columns["func"][gate[1]] = columns["func"][train[1]]
    columns["id"][train[3]] = columns["id"][train[2]]


@pytest.fixture
def corrupted(dataset: Path, tmp_path: Path) -> Path:
    """A data set that leaks, lacks a class, has a strange label and an id twice, and was written to afterwards."""
    folder = corrupt(dataset, tmp_path / "corrupted", _corrupt)
    report = folder / "report.json"
    report.write_bytes(report.read_bytes().replace(b'"rows"', b'"wors"', 1))
    return folder


def test_a_spec_that_is_wrong_in_eleven_ways_shows_all_of_them(trainer: Any, corrupted: Path, tmp_path: Path) -> None:
    spec = {
        "dataset": str(corrupted),
        "device": "cpu",
        "minimum_free_bytes": 10**18,
        "transformer": {"model": {"checkpoint": str(tmp_path)}, "training": {"precision": "fp16"}},
        "gnn": {"model": {"width": 8, "layers": 1}},
        "fusion": {"training": {"precision": "fp16"}},
    }

    code, stderr = trainer.run("preflight", spec, "many-problems")

    assert code == 4
    checks = {check["name"]: check for check in trainer.result("many-problems")["checks"]}
    failed = {name for name, check in checks.items() if check["verdict"] == "fail"}
    assert failed == SPEC_FAULTS | DATA_FAULTS
    assert all(checks[name]["fix"] for name in failed)
    assert all(name in stderr for name in failed)
    # The graph model is tried all the same, to the end.
    assert checks["gnn_save"]["verdict"] == "pass"


def test_a_healthy_spec_passes_every_stage_of_all_three_cells(trainer: Any, tiny: dict[str, Any]) -> None:
    spec = {
        "dataset": tiny["dataset"],
        "device": "cpu",
        "transformer": {"model": tiny["model"], "training": tiny["training"]},
        "gnn": {"model": {"width": 8, "layers": 1}},
        "fusion": {"model": {"unfreeze": "both"}},
    }

    code, stderr = trainer.run("preflight", spec, "healthy-preflight")

    assert (code, stderr) == (0, "")
    verdicts = {check["name"]: check["verdict"] for check in trainer.result("healthy-preflight")["checks"]}
    stages = ("model", "load", "forward", "backward", "clip", "step", "gradients", "evaluate", "resume", "save")
    cells = ("transformer", "gnn", "fusion")
    assert all(verdicts[f"{cell}_{stage}"] == "pass" for cell in cells for stage in (*stages, "memory", "disk"))
    assert not list(trainer.out("healthy-preflight").glob(".smoke-test*"))


def test_without_a_data_set_the_other_problems_are_named_too(trainer: Any, tmp_path: Path) -> None:
    spec = {
        "dataset": str(tmp_path / "nowhere"),
        "device": "cpu",
        "minimum_free_bytes": 10**18,
        "gnn": {"training": {"precision": "fp16"}},
    }

    code, stderr = trainer.run("preflight", spec, "no-data-preflight")

    assert code == 3
    assert all(words in stderr for words in ("nowhere", "disk", "gnn_hardware"))


def test_a_checkpoint_without_its_tokenizer_is_refused_by_preflight_and_by_a_run_without_one(
    trainer: Any, tiny: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint = make_checkpoint("roberta", tmp_path / "roberta")
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()
    config = {"model": {"checkpoint": str(checkpoint), "max_tokens": 64}, "training": tiny["training"]}
    placed = {name: tiny[name] for name in ("dataset", "device")}

    tried, _ = trainer.run("preflight", {**placed, "transformer": config}, "no-tokenizer-preflight")
    trained, stderr = trainer.run("transformer", {**placed, **config}, "no-tokenizer")

    checks = {check["name"]: check for check in trainer.result("no-tokenizer-preflight")["checks"]}
    assert (tried, trained) == (4, 2)
    assert "a tokenizer of 5 tokens" in checks["transformer_tokenizer_files"]["detail"]
    assert "have 1 different sequences of tokens" in checks["transformer_distinct_tokens"]["detail"]
    # What is right is shown with its number too.
    assert checks["transformer_weights"]["verdict"] == "pass"
    assert checks["transformer_weights"]["detail"].startswith("37 of the 37 weights")
    assert checks["transformer_model"]["verdict"] == "fail"
    assert "tokenizer_files: the checkpoint has neither tokenizer.json" in stderr
