"""Checkpoints for exact resume: everything that the next step depends on, swapped in whole.

`checkpoint/current.json` names the folder beside it that counts; it is replaced last, so that a kill at any moment
leaves the old checkpoint or the new one.
"""

import json
import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cellgate.contract.errors import DataError, InputError, SpecError
from cellgate.contract.files import atomic_file, sync_folder, write_json
from trainers.engine.hardware import Hardware
from trainers.engine.run_folder import CURRENT_NAME, POINTS_NAME, STATE_NAME, current_checkpoint

MODEL_NAME = "model.safetensors"
BEST_NAME = "best.safetensors"
OPTIMIZER_NAME = "optimizer.pt"
Weights = dict[str, Tensor]
# What the parsers of JSON, torch and safetensors raise on a damaged file.
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SafetensorError, UnpicklingError)


@dataclass(kw_only=True)
class TrainingState:
    """Where a run stands, in plain values.

    Args:
        fingerprint: Of what the run must have in common with the one that resumes it.
        epoch: The epoch being trained, from 0.
        step_in_epoch: Its optimizer steps that are done.
        step: All optimizer steps that are done.
        skipped_steps: Those that a scaler overflow skipped.
        parts: In how many parts each batch is computed, after memory ran out.
        evaluation_parts: Likewise, in evaluation.
        best_score: Of the best evaluation so far, to be compared item by item; null before the first.
        best_epoch: Its epoch.
        epochs_without_gain: Evaluations since then.
        gradients: What a `GradientWatch` remembers.
        best_collapses: Collapses found by the best evaluation.
        collapse_events: Collapses found by all evaluations.
        constant_evaluations: Evaluations in a row, up to the last, whose predictions were constant after warm-up.
        learning_rate: The run's `LearningRateOutcome`.
        last_event: Number of the last event written before the checkpoint.
    """

    fingerprint: str
    learning_rate: dict[str, Any]
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    skipped_steps: int = 0
    parts: int = 1
    evaluation_parts: int = 1
    best_score: list[float] | None = None
    best_epoch: int = 0
    epochs_without_gain: int = 0
    gradients: dict[str, Any] = field(default_factory=dict)
    best_collapses: list[dict[str, Any]] = field(default_factory=list)
    collapse_events: int = 0
    constant_evaluations: int = 0
    last_event: int = 0


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint as it was read.

    Args:
        best: The best weights so far; null before the first evaluation.
        optimizer: The optimizer's state dict.
        scaler: The gradient scaler's; null without one.
        generators: The states of all random generators.
    """

    state: TrainingState
    model: Weights
    best: Weights | None
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None
    generators: dict[str, Any]


def weights_of(model: torch.nn.Module) -> Weights:
    """Return a copy of the model's weights on the host; shared ones are copied each."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}


def save_checkpoint(
    folder: Path,
    *,
    state: TrainingState,
    model: torch.nn.Module,
    best: Weights | None,
    optimizer: Any,
    hardware: Hardware,
) -> None:
    """Write a checkpoint and make it the current one; the ones before it are removed.

    Args:
        folder: The run's `checkpoint` folder.
        state: Where training stands.
        model: With the weights of this step.
        best: Weights of the best epoch so far; None before the first evaluation.
        optimizer: With its moments.
        hardware: With the scaler, where half precision has one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"step-{state.step:09d}-epoch-{state.epoch:04d}"
    target = folder / name
    if _current_name(folder) == name:
        return
    # Left by a kill: not current, so nobody needs it.
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    _save_weights(target / MODEL_NAME, weights_of(model))
    if best is not None:
        _save_weights(target / BEST_NAME, best)
    scaler = hardware.accelerator.scaler
    content = {
        "optimizer": optimizer.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
        "generators": generator_states(),
    }
    with atomic_file(target / OPTIMIZER_NAME) as file:
        torch.save(content, file)
    write_json(target / STATE_NAME, asdict(state))
    sync_folder(folder)
    write_json(folder / CURRENT_NAME, {"folder": name, "step": state.step})
    # Training has begun: a range test that was stopped before is over.
    (folder / POINTS_NAME).unlink(missing_ok=True)
    for old in folder.glob("step-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def find_checkpoint(folder: Path, *, fingerprint: str) -> Checkpoint | None:
    """Return the checkpoint as `load_checkpoint` does; None without one.

    Raises:
        SpecError: It is a checkpoint of another run.
        DataError: It is damaged.
    """
    return None if current_checkpoint(folder) is None else load_checkpoint(folder, fingerprint=fingerprint)


def load_checkpoint(folder: Path, *, fingerprint: str) -> Checkpoint:
    """Read the current checkpoint of a folder.

    Args:
        fingerprint: Of the run that wants to go on.

    Raises:
        SpecError: It is a checkpoint of another run.
        DataError: It is damaged.
    """
    path = current_checkpoint(folder)
    if path is None:
        raise DataError(f"{folder}: no checkpoint here; start the run from the beginning")
    try:
        state = TrainingState(**json.loads((path / STATE_NAME).read_bytes()))
        content = torch.load(path / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(
            state=state,
            model=load_file(path / MODEL_NAME),
            best=load_file(path / BEST_NAME) if (path / BEST_NAME).exists() else None,
            optimizer=content["optimizer"],
            scaler=content["scaler"],
            generators=content["generators"],
        )
    except Exception as error:
        message = "the checkpoint cannot be read; start the run from the beginning"
        raise DataError.unreadable(path, message, error, expected="a whole checkpoint") from error
    if state.fingerprint != fingerprint:
        raise SpecError(
            f"{path}: this checkpoint belongs to another run",
            [
                InputError(
                    where="--resume",
                    found=f"a checkpoint with fingerprint {state.fingerprint}",
                    expected=fingerprint,
                    fix="resume with the same config, seed and data set, or start without --resume",
                )
            ],
        )
    return checkpoint


def restore_checkpoint(checkpoint: Checkpoint, *, model: torch.nn.Module, optimizer: Any, hardware: Hardware) -> None:
    """Put weights, optimizer, scaler and random generators back where they were.

    Args:
        checkpoint: As `find_checkpoint` returns it.
        model: Gets the weights of that step, not the best ones.
        optimizer: Gets its moments.
        hardware: Its scaler gets the loss scale.
    """
    model.load_state_dict(checkpoint.model)
    optimizer.load_state_dict(checkpoint.optimizer)
    scaler = hardware.accelerator.scaler
    if scaler is not None and checkpoint.scaler is not None:
        scaler.load_state_dict(checkpoint.scaler)
    restore_generators(checkpoint.generators)


def generator_states() -> dict[str, Any]:
    """Return the states of the generators of Python, NumPy, torch and every GPU, as lists, numbers and tensors."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_generators(states: Mapping[str, Any]) -> None:
    """Put all random generators back where they were."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])


def _save_weights(path: Path, weights: Weights) -> None:
    save_file(weights, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _current_name(folder: Path) -> str | None:
    current = current_checkpoint(folder)
    return None if current is None else current.name
