"""Whole runs of cell 51 on a checkpoint, by low-rank updates and rates that fall by layer."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_checkpoints import make_checkpoint

WITHOUT_PEFT = """
import sys, torch
sys.modules["peft"] = None
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
batch = AutoTokenizer.from_pretrained(sys.argv[1])("int f(void) { return 0; }", return_tensors="pt")
print(model(**batch).logits.isfinite().all().item(), any("lora" in name for name in model.state_dict()))
"""


@pytest.fixture(scope="module")
def spec(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    checkpoint = make_checkpoint("eurobert", tmp_path_factory.mktemp("eurobert"))
    return {
        "dataset": str(dataset),
        "device": "cpu",
        "model": {"checkpoint": str(checkpoint), "max_tokens": 64, "lora": {"rank": 4, "alpha": 8, "dropout": 0.1}},
        "training": {
            "epochs": 2,
            "batch_size": 16,
            "checkpoint_every_steps": 5,
            "learning_rate": {"value": 1e-2},
            "layer_lr_decay": 0.8,
        },
    }


@pytest.fixture(scope="module")
def undisturbed(trainer: Any, spec: dict[str, Any]) -> Path:
    code, stderr = trainer.run("transformer", spec, "lora")
    assert (code, stderr) == (0, "")
    folder: Path = trainer.out("lora")
    return folder


def _weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def test_only_updates_and_classifier_move_and_each_group_has_its_own_rate(
    trainer: Any, undisturbed: Path, spec: dict[str, Any]
) -> None:
    before, after = (
        load_file(folder / "model.safetensors") for folder in (Path(spec["model"]["checkpoint"]), undisturbed / "model")
    )

    moved = {name for name in before if not torch.equal(before[name], after[name])}

    assert before.keys() == after.keys()
    linear = {name for name, tensor in before.items() if "layers." in name and tensor.dim() == 2}
    assert moved == linear | {name for name in before if not name.startswith("model.")}
    rates = [event["values"] for event in trainer.events("lora") if "lr/layer_1" in event.get("values", {})]
    assert rates
    assert all(values["lr/layer_0"] == pytest.approx(0.8 * values["lr/layer_1"]) for values in rates)
    assert all(values["lr/layer_1"] == pytest.approx(0.8 * values["lr/classifier"]) for values in rates)


def test_the_saved_model_loads_without_what_made_its_updates(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    # From here on it cannot be imported.
    monkeypatch.setitem(sys.modules, "peft", None)

    model = AutoModelForSequenceClassification.from_pretrained(undisturbed / "model").eval()
    batch = AutoTokenizer.from_pretrained(undisturbed / "model")("int f(void) { return 0; }", return_tensors="pt")

    assert model(**batch).logits.isfinite().all()
    assert not [name for name in model.state_dict() if "lora" in name]


# The same of a process that has imported nothing of it before.
@pytest.mark.slow
def test_the_saved_model_loads_where_no_peft_is(undisturbed: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_PEFT, str(undisturbed / "model")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.split() == ["True", "False"]


def test_a_stopped_run_goes_on_to_the_same_bytes(trainer: Any, undisturbed: Path, spec: dict[str, Any]) -> None:
    process = trainer.start_cell("transformer", spec, "lora-stopped")
    trainer.wait_for(process, "lora-stopped", lambda event: event["kind"] == "checkpoint" and event["step"] >= 5)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 8

    resume = str(trainer.out("lora-stopped") / "checkpoint")
    code, stderr = trainer.run("transformer", spec, "lora-stopped", "--resume", resume)

    assert (code, stderr) == (0, "")
    assert _weights(trainer.out("lora-stopped")) == _weights(undisturbed)
    assert trainer.result("lora-stopped")["metrics"] == trainer.result("lora")["metrics"]


def test_preflight_takes_it_through_every_stage(trainer: Any, spec: dict[str, Any]) -> None:
    tried = {"dataset": spec["dataset"], "device": "cpu", "transformer": {k: spec[k] for k in ("model", "training")}}

    code, stderr = trainer.run("preflight", tried, "lora-preflight")

    assert (code, stderr) == (0, "")
    verdicts = {check["name"]: check["verdict"] for check in trainer.result("lora-preflight")["checks"]}
    stages = ("model", "load", "forward", "backward", "clip", "step", "gradients", "evaluate", "resume", "save")
    assert all(verdicts[f"transformer_{stage}"] == "pass" for stage in stages)


def test_lora_from_scratch_is_refused_where_it_stands(trainer: Any, spec: dict[str, Any]) -> None:
    code, stderr = trainer.run("transformer", {**spec, "model": {"lora": {}}}, "lora-from-scratch")

    assert code == 2
    assert "/model/lora" in stderr
    assert "name one" in stderr
