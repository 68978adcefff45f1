"""A small model on disk: `config.json` and `model.safetensors`, read back as they were written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from cellgate.contract.errors import DataError
from cellgate.contract.files import write_bytes, write_json
from trainers.engine.checkpoint import weights_of

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
M = TypeVar("M", bound=nn.Module)


def save_model_files(folder: Path, model: nn.Module, *, config: dict[str, Any]) -> None:
    """Write weights and config, each file atomically; the config comes last.

    Args:
        folder: Made where it is missing.
        model: On any device; its weights are written as they are on the CPU.
        config: JSON from which the model can be built again.
    """
    write_bytes(folder / WEIGHTS_NAME, safetensors.torch.save(weights_of(model)))
    write_json(folder / CONFIG_NAME, config)


def load_model_files(folder: Path, build: Callable[[dict[str, Any]], M], *, name: str) -> M:
    """Return the model that `save_model_files` wrote, in evaluation mode, on the CPU.

    Args:
        folder: With both files.
        build: Returns the model, untrained, from its config.
        name: What it is, for messages: `graph model`.

    Raises:
        DataError: A file is missing or damaged, or weights and config do not belong together.
    """
    try:
        model = build(json.loads((folder / CONFIG_NAME).read_bytes()))
        model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS_NAME))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        expected = f"{CONFIG_NAME} and {WEIGHTS_NAME} of one trained {name}"
        raise DataError.unreadable(
            folder, f"the {name} cannot be loaded", error, expected=expected, fix="train the model again"
        ) from error
    return model.eval()
