"""Cell 51 through the command line: what it leaves, and how it ends."""

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cellgate.contract.configs import Split
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.files import sha256_of_file
from trainers.data.dataset import Dataset
from trainers.engine.predictions import read_predictions


def _weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_a_run_leaves_a_valid_result_whose_hashes_are_right(trainer: Any, whole: str, dataset: Path) -> None:
    out, result = trainer.out(whole), trainer.result(whole)
    schema = trainer.start("schema", "result").communicate()[0]

    jsonschema.validate(result, json.loads(schema))
    assert (result["cell"], result["seed"], result["dataset_id"]) == (51, 0, Dataset.open(dataset).id)
    assert set(result["metrics"]) == {"dev", "fuse", "gate", "test"}
    assert {"model/model.safetensors", "predictions/gate.arrow"} <= set(result["artifacts"])
    assert all(sha256_of_file(out / name) == digest for name, digest in result["artifacts"].items())


def test_events_are_numbered_without_a_gap_and_end_with_finished(trainer: Any, whole: str) -> None:
    events = trainer.events(whole)

    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["kind"], events[-1]["kind"]) == ("started", "finished")
    assert {event["kind"] for event in events} >= {"phase", "progress", "metric", "lr_finder", "checkpoint"}


def test_predictions_are_those_of_the_data_sets_rows(trainer: Any, whole: str, dataset: Path) -> None:
    opened = Dataset.open(dataset)
    rows = opened.rows(Split.GATE)

    predictions = read_predictions(trainer.out(whole) / "predictions" / "gate.arrow")

    np.testing.assert_array_equal(predictions.rows_R, rows)
    np.testing.assert_array_equal(predictions.labels_R, opened.labels(rows))
    assert predictions.ids == opened.ids(rows)


def test_the_auto_classes_load_the_model_and_give_its_logits(trainer: Any, whole: str, dataset: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = trainer.out(whole) / "model"
    predictions = read_predictions(trainer.out(whole) / "predictions" / "gate.arrow")
    sources = Dataset.open(dataset).sources(predictions.rows_R[:8])

    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    with torch.inference_mode():
        # One by one: padding moves the last bits.
        logits = torch.cat([model(**tokenizer(source, return_tensors="pt")).logits for source in sources])
    np.testing.assert_allclose(logits.numpy(), predictions.logits_RC[:8], rtol=1e-4, atol=1e-5)
    assert model.config.id2label == {0: "not_vulnerable", 1: "vulnerable"}


def test_killed_in_mid_epoch_and_resumed_elsewhere_gives_the_same_bytes(
    trainer: Any, whole: str, tiny: dict[str, Any]
) -> None:
    process = trainer.start_cell("transformer", tiny, "killed")
    trainer.wait_for(process, "killed", lambda event: event["kind"] == "checkpoint" and event["step"] == 5)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    code, stderr = trainer.run("51", tiny, "resumed", "--resume", str(trainer.out("killed") / "checkpoint"))

    assert (code, stderr) == (0, "")
    assert _weights(trainer.out("resumed")) == _weights(trainer.out(whole))
    assert trainer.result("resumed")["metrics"] == trainer.result(whole)["metrics"]


def test_sigterm_saves_a_checkpoint_and_exits_8_and_resuming_gives_the_same_bytes(
    trainer: Any, whole: str, tiny: dict[str, Any]
) -> None:
    process = trainer.start_cell("transformer", tiny, "stopped")
    trainer.wait_for(process, "stopped", lambda event: event["kind"] == "metric" and "train/loss" in event["values"])
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 8
    assert "checkpoint saved at step" in stderr
    assert trainer.events("stopped")[-1]["reason"] == "interrupted"

    code, stderr = trainer.run("transformer", tiny, "stopped", "--resume", str(trainer.out("stopped") / "checkpoint"))

    assert (code, stderr) == (0, "")
    assert _weights(trainer.out("stopped")) == _weights(trainer.out(whole))
    numbers = [event["n"] for event in trainer.events("stopped")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_second_seed_takes_the_learning_rate_from_the_cache(trainer: Any, whole: str, tiny: dict[str, Any]) -> None:
    code, stderr = trainer.run("transformer", {**tiny, "seed": 1}, "seed1")

    assert (code, stderr) == (0, "")
    first, second = (trainer.result(name)["learning_rate"] for name in (whole, "seed1"))
    assert (first["cache_hit"], first["cache_verified"]) == (False, True)
    assert (second["cache_hit"], second["learning_rate"]) == (True, first["learning_rate"])


def test_a_bad_spec_exits_2_with_every_mistake(trainer: Any) -> None:
    code, stderr = trainer.run("transformer", {"seed": -1, "training": {"epoch": 3}}, "bad")

    assert code == 2
    assert all(place in stderr for place in ("/dataset", "/seed", "/training/epoch"))
    [failed] = trainer.events("bad")
    assert (failed["kind"], failed["reason"], failed["problems_total"]) == ("failed", "bad_spec", 3)


def test_a_missing_data_set_exits_3(trainer: Any, tmp_path: Path) -> None:
    code, stderr = trainer.run("transformer", {"dataset": str(tmp_path / "nowhere")}, "no-data")

    assert code == 3
    assert "nowhere" in stderr


def test_a_failed_preflight_exits_4_and_leaves_all_its_checks(trainer: Any, tiny: dict[str, Any]) -> None:
    spec = {
        "dataset": tiny["dataset"],
        "device": "cpu",
        "minimum_free_bytes": 10**18,
        "transformer": {"model": tiny["model"], "training": {**tiny["training"], "precision": "fp16"}},
        "gnn": {"model": {"width": 8, "layers": 1}},
    }

    code, stderr = trainer.run("preflight", spec, "preflight")

    assert code == 4
    checks = {check["name"]: check for check in trainer.result("preflight")["checks"]}
    failed = {name for name, check in checks.items() if check["verdict"] == "fail"}
    assert failed == {"disk", "transformer_hardware"}
    assert all(name in stderr and checks[name]["fix"] in stderr for name in failed)
    assert checks["gate_positives"]["verdict"] == "warn"
    stages = {"step", "gradients", "evaluate", "save", "resume"}
    assert {f"{cell}_{stage}" for cell in ("transformer", "gnn") for stage in stages} <= set(checks)


def test_a_model_that_learns_nothing_exits_5(trainer: Any, tiny: dict[str, Any]) -> None:
    training = {**tiny["training"], "learning_rate": {"value": 1e-12}, "max_steps": 3}

    code, stderr = trainer.run("transformer", {**tiny, "training": training}, "collapsed")

    assert code == 5
    assert "prior_entropy" in stderr
    assert "collapse" in {event["kind"] for event in trainer.events("collapsed")}


def test_weights_that_are_not_finite_exit_6(trainer: Any, whole: str, tiny: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in (trainer.out(whole) / "model").iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(broken / "model.safetensors")
    name = sorted(weights)[0]
    save_file({**weights, name: weights[name] * float("nan")}, broken / "model.safetensors", {"format": "pt"})
    training = {**tiny["training"], "learning_rate": {"value": 1e-3}}

    code, stderr = trainer.run(
        "transformer", {**tiny, "model": {"checkpoint": str(broken)}, "training": training}, "diverged"
    )

    assert code == 6
    assert "loss nan" in stderr


@pytest.mark.parametrize(
    "limit_mb",
    [
        pytest.param(500, marks=pytest.mark.slow, id="while the model is built"),
        pytest.param(900, id="in training"),
    ],
)
def test_memory_that_runs_out_exits_7(trainer: Any, tiny: dict[str, Any], limit_mb: int) -> None:
    """The model's weights, gradients and moments alone need more than 900 MB.

    It starts cold: how much of a fork's memory is its own depends on what its server has loaded.
    """
    model = {"size": "base", "max_tokens": 64, "mix_linear": False}
    training = {"epochs": 1, "learning_rate": {"value": 1e-4}}
    limit = limit_mb << 20

    spec = {**tiny, "model": model, "training": training}
    process = trainer.start_cell("transformer", spec, f"memory-{limit_mb}", cold=True)
    # Long before it has imported what it trains with.
    resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit, limit))
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 7, stderr
    assert "memory ran out" in stderr
    assert trainer.events(f"memory-{limit_mb}")[-1]["reason"] == "out_of_memory"


@pytest.mark.usefixtures("whole")
def test_a_full_disk_exits_10_and_says_so(trainer: Any, tiny: dict[str, Any]) -> None:
    """A limit on the size of a file stands for a disk without room."""
    process = trainer.start_cell("transformer", tiny, "full")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8192, 8192))
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == ExitCode.STORAGE_FULL, stderr
    assert "make room" in stderr
    assert "Traceback" not in stderr


def test_a_checkpoint_that_cannot_be_loaded_exits_2_with_advice(trainer: Any, tiny: dict[str, Any]) -> None:
    code, stderr = trainer.run("transformer", {**tiny, "model": {"checkpoint": tiny["dataset"]}}, "no-model")

    assert code == 2
    assert "/model/checkpoint" in stderr
    assert "train a small model from scratch" in stderr


def test_training_goes_on_from_a_checkpoint_of_the_library(trainer: Any, whole: str, tiny: dict[str, Any]) -> None:
    model = {"checkpoint": str(trainer.out(whole) / "model"), "max_tokens": 64}
    training = {**tiny["training"], "learning_rate": {"value": 1e-4}, "epochs": 1}

    code, stderr = trainer.run("transformer", {**tiny, "model": model, "training": training}, "fine-tuned")

    assert (code, stderr) == (0, "")
    assert trainer.result("fine-tuned")["metrics"]["dev"]["auroc"] > 0.5


def test_a_folder_without_a_checkpoint_is_nothing_to_resume(trainer: Any, tiny: dict[str, Any], tmp_path: Path) -> None:
    code, stderr = trainer.run("transformer", tiny, "nothing-to-resume", "--resume", str(tmp_path))

    assert code == ExitCode.BAD_SPEC
    assert f"--resume: found no checkpoint in {tmp_path}" in stderr
    assert not (trainer.out("nothing-to-resume") / "model").exists()


def test_the_folder_above_a_checkpoint_is_told_which_one_was_meant(
    trainer: Any, tiny: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "lr_finder.pt").touch()

    code, stderr = trainer.run("transformer", tiny, "above-a-checkpoint", "--resume", str(tmp_path))

    assert code == ExitCode.BAD_SPEC
    assert f"name {checkpoint}, or start without --resume" in stderr


def test_an_error_of_ours_exits_70_with_the_traceback(trainer: Any, tiny: dict[str, Any]) -> None:
    # A folder where the result's file goes is a cause that no message of ours names.
    (trainer.out("internal") / "result.json").mkdir(parents=True)

    code, stderr = trainer.run("transformer", tiny, "internal")

    assert code == 70
    assert "Traceback" in stderr
    assert trainer.events("internal")[-1]["reason"] == "internal_error"


def test_a_trainer_ends_itself_when_its_heartbeat_pipe_breaks(trainer: Any, tiny: dict[str, Any]) -> None:
    ours, theirs = os.pipe()
    process = trainer.start_cell("transformer", tiny, "orphan", "--heartbeat", "60", stdin=ours)
    os.close(ours)
    os.close(theirs)
    process.communicate(timeout=60)

    assert process.returncode == 8


@pytest.mark.parametrize("arguments", [["nonsense"], ["transformer"], ["schema", "nothing"]])
def test_a_command_line_that_makes_no_sense_exits_2(trainer: Any, arguments: list[str]) -> None:
    process = trainer.start(*arguments)
    _, stderr = process.communicate()

    assert process.returncode == 2
    assert "usage:" in stderr.lower()
