"""A trained fusion head on disk, with everything that its inputs are made with."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from cellgate.contract.configs import FusionModel
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.files import write_bytes, write_json
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.model import FusionHead

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"


@dataclass(frozen=True, kw_only=True)
class FusionInputs:
    """What a head's inputs were made with: two models that it cannot do without.

    Args:
        text_width: Of the text model's embedding.
        graph_width: Of the graph model's embedding.
        text_temperature: What the text model's logits are divided by.
        graph_temperature: Likewise.
        text_spec_hash: Of the text model's run.
        graph_spec_hash: Likewise.
    """

    text_width: int
    graph_width: int
    text_temperature: float
    graph_temperature: float
    text_spec_hash: str
    graph_spec_hash: str


@dataclass(frozen=True, kw_only=True)
class SavedFusion:
    """A trained head as it was read, in evaluation mode.

    Args:
        config: With `text_weight`, which the ensemble that the head adds to is made with.
        inputs: What the head's inputs are made with.
        bases: The models that learned with the head, by name; those not here are as their own runs left them.
    """

    head: FusionHead
    config: FusionModel
    inputs: FusionInputs
    bases: dict[str, nn.Module]


def save_fusion(folder: Path, head: FusionHead, *, config: FusionModel, inputs: FusionInputs) -> None:
    """Write weights and config to `folder`, each file atomically; the config comes last."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    write_bytes(folder / WEIGHTS_NAME, safetensors.torch.save(weights))
    write_json(folder / CONFIG_NAME, {"model": config.model_dump(mode="json"), "inputs": asdict(inputs)})


def load_fusion(folder: Path) -> SavedFusion:
    """Return the head that `save_fusion` wrote, and the models that learned with it.

    Raises:
        DataError: A file is missing or damaged, or weights and config do not belong together.
        SpecError: The text model cannot be loaded.
    """
    try:
        content = json.loads((folder / CONFIG_NAME).read_bytes())
        inputs = FusionInputs(**content["inputs"])
        config = FusionModel.model_validate(content["model"])
        head = build_head(config, text_width=inputs.text_width, graph_width=inputs.graph_width)
        head.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS_NAME))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        problem = InputError(
            where=str(folder),
            found=f"{type(error).__name__}: {error}",
            expected=f"{CONFIG_NAME} and {WEIGHTS_NAME} of one trained fusion head",
            fix="train the head again",
        )
        raise DataError(f"{folder}: the fusion head cannot be loaded", [problem]) from error
    return SavedFusion(head=head.eval(), config=config, inputs=inputs, bases=_bases(folder, config))


def _bases(folder: Path, config: FusionModel) -> dict[str, nn.Module]:
    if config.unfreeze == "none":
        return {}
    # The text library takes seconds to import.
    from trainers.models.fusion.unfreezing import load_bases

    return load_bases(folder, config)
