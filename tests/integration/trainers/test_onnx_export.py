"""A text model exported as ONNX scores as its bundle does, in a program without torch and without Cellgate."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from tokenizers import Tokenizer

from cellgate.contract.errors import DataError, SpecError
from tests.tiny_checkpoints import make_checkpoint
from tests.trained_runs import planted_function
from trainers.__main__ import main
from trainers.bundle import onnx_export
from trainers.bundle.bundle import Bundle
from trainers.bundle.models import load_text
from trainers.bundle.onnx_export import export_onnx
from trainers.bundle.packing import pack_bundle
from trainers.models.linear.hashing import BUCKETS
from trainers.models.linear.mixed import Mix
from trainers.models.linear.model import LinearModel
from trainers.models.linear.saved import LinearPart
from trainers.models.linear.text import VIEWS, patterns_of_text

onnxruntime: Any = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def pack(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Packs one of the two models."""

    def make(run: str) -> Path:
        target = tmp_path_factory.mktemp("packed") / "bundle"
        pack_bundle(target, kind="single", runs=[planted / run], dataset=planted / "prepare" / "dataset")
        return target

    return make


def test_what_onnx_says_is_what_the_bundle_says(
    pack: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = pack("t")
    capsys.readouterr()
    assert main(["bundle", "onnx", str(bundle), "--out", str(tmp_path / "onnx")]) == 0
    reported = json.loads(capsys.readouterr().out)
    folder = tmp_path / "onnx" / "seed-0"
    config = json.loads((folder / "onnx.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    sources = [planted_function(number)[0] for number in range(2000, 2020)]

    mix = config["mix"] or {"network": 1.0, "linear": 0.0, "bias": 0.0}
    linear = np.zeros(len(sources))
    if config["mix"]:
        linear = LinearModel.read(folder / "linear" / "model.safetensors").log_odds(patterns_of_text(sources).counted())
    probabilities = []
    for source, of_linear in zip(sources, linear, strict=True):
        ids = np.array([tokenizer.encode(source).ids], dtype=np.int64)
        (logits,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        margin = mix["network"] * (logits[0, 1] - logits[0, 0]) + mix["linear"] * of_linear + mix["bias"]
        probabilities.append(expit(margin / config["temperature"]))

    expected = [prediction.probability for prediction in Bundle.open(bundle).predict(sources, explain="none")]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-4)
    assert max(expected) - min(expected) > 0.5
    assert reported["largest_difference"] == config["largest_difference"] <= 1e-4
    assert not list(folder.glob("*.safetensors"))


@pytest.mark.parametrize("kind", ["roberta", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("t5", "gpt2"))])
def test_other_architectures_are_exported_for_any_number_of_functions_and_tokens(kind: str, tmp_path: Path) -> None:
    source = make_checkpoint(kind, tmp_path / "checkpoint")
    nothing = np.zeros(VIEWS * BUCKETS, dtype=np.float32)
    part_of = LinearPart(
        model=LinearModel(weight_K=nothing, idf_K=nothing, bias=0.5), mix=Mix(network=0.25, linear=0.5, bias=-1.0)
    )
    part_of.save(source)
    functions = [SimpleNamespace(source=f"int f(int a) {{ return a{' + a' * n}; }}") for n in range(5)]
    manifest: Any = SimpleNamespace(self_test=functions, id="none", labels={})
    part: Any = SimpleNamespace(temperature=1.0)

    assert onnx_export._export(source, tmp_path / "onnx", part, manifest) <= 1e-4

    _, _, limit = load_text(source)
    (ids, mask) = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx")).get_inputs()
    assert (ids.shape, mask.shape) == (["functions", "tokens"], ["functions", "tokens"])
    config = json.loads((tmp_path / "onnx" / "onnx.json").read_text())
    assert (config["max_tokens"], config["mix"]) == (limit, {"network": 0.25, "linear": 0.5, "bias": -1.0})
    assert LinearModel.read(tmp_path / "onnx" / "linear" / "model.safetensors").bias == 0.5


def test_an_exported_model_that_says_something_else_is_refused(
    pack: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)

    with pytest.raises(DataError, match="outputs differ from the text model's"):
        export_onnx(pack("t"), tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


def test_a_bundle_of_graph_models_has_nothing_to_export(pack: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="graph models are not exported"):
        export_onnx(pack("g"), tmp_path / "onnx")


def test_a_missing_library_and_a_target_that_exists_are_reported_together(
    pack: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(SpecError) as caught:
        export_onnx(pack("t"), tmp_path)
    assert [problem.where for problem in caught.value.problems] == [str(tmp_path), "libraries"]
    assert caught.value.problems[1].fix == "install the extra `onnx`"
