"""A trained fusion head on disk, with everything that its inputs are made with."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cellgate.contract.configs import FusionModel
from trainers.engine.model_files import load_model_files, save_model_files
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.model import FusionHead


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
    """Write weights and config to `folder`, each file atomically; the config comes last.

    Args:
        folder: Made where it is missing.
        head: On any device.
        config: That the head was built from.
        inputs: What the head's inputs are made with.
    """
    save_model_files(folder, head, config={"model": config.model_dump(mode="json"), "inputs": asdict(inputs)})


def load_fusion(folder: Path) -> SavedFusion:
    """Return the head that `save_fusion` wrote, and the models that learned with it.

    Raises:
        DataError: A file is missing or damaged, or weights and config do not belong together.
        SpecError: The text model cannot be loaded.
    """
    content: dict[str, Any] = {}

    def build(found: dict[str, Any]) -> FusionHead:
        content.update(config=FusionModel.model_validate(found["model"]), inputs=FusionInputs(**found["inputs"]))
        inputs = content["inputs"]
        return build_head(content["config"], text_width=inputs.text_width, graph_width=inputs.graph_width)

    head = load_model_files(folder, build, name="fusion head")
    return SavedFusion(head=head, bases=_bases(folder, content["config"]), **content)


def _bases(folder: Path, config: FusionModel) -> dict[str, nn.Module]:
    if config.unfreeze == "none":
        return {}
    # The text library takes seconds to import.
    from trainers.models.fusion.unfreezing import load_bases

    return load_bases(folder, config)
