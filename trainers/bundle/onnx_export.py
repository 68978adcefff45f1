"""The text models of a bundle as ONNX, for programs that run them without torch."""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cellgate.contract.bundle import BundleManifest, Part, read_bundle_manifest
from cellgate.contract.errors import DataError, InputError, SpecError
from cellgate.contract.files import write_json
from trainers.bundle.models import load_text
from trainers.data.writing import replaced_folder
from trainers.models.linear.saved import LinearPart
from trainers.models.transformer.task import TextBatch, padded
from trainers.models.transformer.token_ids import tokenize

MODEL_NAME = "model.onnx"
CONFIG_NAME = "onnx.json"
INPUTS = ("input_ids", "attention_mask")
OPSET = 17
TOLERANCE = 1e-4
# Tokens of the longest function that is compared: some models read any number.
MOST_COMPARED = 512


class _Logits(nn.Module):
    """A text model with tensors in and one tensor out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the logits, (B, C)."""
        logits_BC: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits_BC


def export_onnx(bundle: Path, target: Path) -> float:
    """Write each seed's text model to `target/seed-<seed>/`, with its tokenizer and `onnx.json`; whole or not at all.

    The models take `input_ids` and `attention_mask`, int64, (B, T), and give the network's `logits`, (B, 2). Of a
    longer function its head and tail are read, as `trainers.models.transformer.token_ids` does. Where `mix` in
    `onnx.json` is not null, the bundle's log-odds are `network` times theirs, plus `linear` times those of the linear
    model in `linear/`, plus `bias`. They are divided by `temperature`.

    Args:
        target: Must not exist.

    Returns:
        How far the logits are from torch's at most.

    Raises:
        DataError: The bundle is damaged, has no text model, or a model's outputs differ as ONNX.
        SpecError: The target exists, or the libraries of the extra `onnx` are not installed.
    """
    manifest = read_bundle_manifest(bundle)
    parts = {member.seed: member.transformer for member in manifest.members if member.transformer is not None}
    _check(bundle, target, parts)
    with replaced_folder(target) as folder:
        return max(
            _export(bundle / part.folder, folder / f"seed-{seed}", part, manifest) for seed, part in parts.items()
        )


def _check(bundle: Path, target: Path, parts: dict[int, Part]) -> None:
    if not parts:
        problem = InputError(where=str(bundle), found="graph models alone", expected="a text model")
        raise DataError("there is nothing to export: graph models are not exported", [problem])
    problems = []
    if target.exists():
        fix = "remove it, or choose another name"
        problems.append(InputError(where=str(target), found="something there", expected="nothing", fix=fix))
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        fix = "install the extra `onnx`"
        problems.append(InputError(where="libraries", found=str(error), expected="onnx and onnxruntime", fix=fix))
    if problems:
        raise SpecError("the text models cannot be exported", problems)


def _export(source: Path, target: Path, part: Part, manifest: BundleManifest) -> float:
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file() and path.suffix != ".safetensors":
            shutil.copyfile(path, target / path.name)
    model, tokenizer, max_tokens = load_text(source)
    sources = [test.source for test in manifest.self_test]
    batches = _batches(sources, tokenizer, max_tokens=max_tokens)
    whole = _Logits(model).eval()
    with _quiet():
        torch.onnx.export(
            whole,
            (batches[0].ids_BT, batches[0].mask_BT),
            str(target / MODEL_NAME),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes={**{name: {0: "functions", 1: "tokens"} for name in INPUTS}, "logits": {0: "functions"}},
            opset_version=OPSET,
            # The other exporter needs libraries besides.
            dynamo=False,
        )
    difference = _difference(whole, target / MODEL_NAME, batches)
    linear = LinearPart.find(source)
    if linear is not None:
        linear.save(target)
    config = {
        "temperature": part.temperature,
        "mix": None if linear is None else asdict(linear.mix),
        "max_tokens": max_tokens,
        "bundle": manifest.id,
        "labels": manifest.labels,
    }
    write_json(target / CONFIG_NAME, {**config, "largest_difference": difference})
    return difference


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings away: what it may have fixed while it looked on is found by comparing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _batches(sources: Sequence[str], tokenizer: Any, *, max_tokens: int) -> list[TextBatch]:
    """Return the functions together, one alone, and one that is cut off beside a short one."""
    limit = min(max_tokens, MOST_COMPARED)
    tokens = tokenize([*sources, " ".join(sources) * limit], tokenizer, max_tokens=limit)
    longest = len(sources)
    chosen = [np.arange(longest), np.array([0]), np.array([longest, 0])]
    return [padded(tokens, rows, pad_token_id=tokenizer.pad_token_id) for rows in chosen]


def _difference(model: _Logits, path: Path, batches: Sequence[TextBatch]) -> float:
    """Return how far the exported model is from torch's; refuse it where that is more than rounding."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    differences = []
    for batch in batches:
        with torch.inference_mode():
            expected_BC = model(batch.ids_BT, batch.mask_BT).numpy()
        (found_BC,) = session.run(None, {"input_ids": batch.ids_BT.numpy(), "attention_mask": batch.mask_BT.numpy()})
        differences.append(float(np.abs(found_BC - expected_BC).max()))
    if max(differences) > TOLERANCE:
        problem = InputError(
            where=str(path),
            found=f"logits that differ by {max(differences):.2g}",
            expected=f"{TOLERANCE:g} at most",
            fix="use the bundle itself: this architecture cannot be exported",
        )
        raise DataError("the exported model's outputs differ from the text model's", [problem])
    return max(differences)
