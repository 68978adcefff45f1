"""A trained graph model on disk: its weights, config and vocabulary."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cellgate.contract.artifacts import VOCABULARY_NAME
from cellgate.contract.configs import GnnModel
from cellgate.contract.files import write_json
from trainers.data.vocabulary import Vocabulary
from trainers.engine.model_files import load_model_files, save_model_files
from trainers.models.gnn.model import GraphNetwork, GraphSizes


def save_gnn(folder: Path, model: GraphNetwork, *, config: GnnModel, vocabulary: Vocabulary) -> None:
    """Write vocabulary, weights and config to `folder`, each file atomically; the config comes last.

    Args:
        folder: Made where it is missing.
        model: On any device.
        config: That the model was built from.
        vocabulary: Of the data set that it was trained on.
    """
    write_json(folder / VOCABULARY_NAME, vocabulary.to_json())
    sizes = asdict(GraphSizes.of(vocabulary))
    save_model_files(folder, model, config={"model": config.model_dump(mode="json"), "sizes": sizes})


def load_gnn(folder: Path) -> GraphNetwork:
    """Return the model that `save_gnn` wrote, in evaluation mode, on the CPU.

    Raises:
        DataError: A file is missing or damaged, or weights and config do not belong together.
    """
    return load_model_files(folder, _build, name="graph model")


def _build(content: dict[str, Any]) -> GraphNetwork:
    sizes = {**content["sizes"], "features": tuple(content["sizes"]["features"])}
    return GraphNetwork(GnnModel.model_validate(content["model"]), GraphSizes(**sizes))
