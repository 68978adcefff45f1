"""A trained graph model on disk: weights, what they were shaped by, and the vocabulary they count on."""

import json
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from cellgate.contract.artifacts import VOCABULARY_NAME
from cellgate.contract.configs import GnnModel
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.files import write_bytes, write_json
from trainers.data.vocabulary import Vocabulary
from trainers.engine.checkpoint import weights_of
from trainers.models.gnn.model import GraphNetwork, GraphSizes

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"


def save_gnn(folder: Path, model: GraphNetwork, *, config: GnnModel, vocabulary: Vocabulary) -> None:
    """Write weights, config and vocabulary to `folder`, each file atomically; the config comes last."""
    write_bytes(folder / WEIGHTS_NAME, safetensors.torch.save(weights_of(model)))
    write_json(folder / VOCABULARY_NAME, vocabulary.to_json())
    sizes = asdict(GraphSizes.of(vocabulary))
    write_json(folder / CONFIG_NAME, {"model": config.model_dump(mode="json"), "sizes": sizes})


def load_gnn(folder: Path) -> GraphNetwork:
    """Return the model that `save_gnn` wrote, in evaluation mode, on the CPU.

    Raises:
        DataError: A file is missing or damaged, or weights and config do not belong together.
    """
    try:
        content = json.loads((folder / CONFIG_NAME).read_bytes())
        sizes = {**content["sizes"], "features": tuple(content["sizes"]["features"])}
        model = GraphNetwork(GnnModel.model_validate(content["model"]), GraphSizes(**sizes))
        model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS_NAME))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        problem = InputError(
            where=str(folder),
            found=f"{type(error).__name__}: {error}",
            expected=f"{CONFIG_NAME} and {WEIGHTS_NAME} of one trained graph model",
            fix="train the model again",
        )
        raise DataError(f"{folder}: the graph model cannot be loaded", [problem]) from error
    return model.eval()
