"""Opens trained base models for further training; imports libraries that runs over frozen models do not need."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cellgate.contract.artifacts import MODEL_FOLDER
from cellgate.contract.configs import FusionModel, GnnModel, Split, TransformerModel
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.specs import FusionSpec
from trainers.data.dataset import Dataset
from trainers.engine.checkpoint import weights_of
from trainers.engine.model_files import CONFIG_NAME
from trainers.engine.task import Rows
from trainers.evaluation.finished_runs import FinishedRun
from trainers.models.fusion.base_models import GNN, TRANSFORMER, UnfrozenBase
from trainers.models.fusion.features import Features
from trainers.models.gnn.saving import load_gnn, save_gnn
from trainers.models.gnn.train import GraphTask
from trainers.models.linear.base import graph_as_saved, text_as_saved
from trainers.models.linear.saved import LinearPart, saving_both
from trainers.models.transformer.pretrained import NO_TOKEN_LIMIT, load_pretrained_model, load_pretrained_tokenizer
from trainers.models.transformer.task import TransformerTask
from trainers.models.transformer.train import prepare_text, quieten_library, save_model

CHECKED_ROWS = 32
# In log-odds, on average: another precision moves them by hundredths, another model or token limit by far more.
MAX_DIFFERENCE = 0.25


def open_unfrozen(
    spec: FusionSpec, dataset: Dataset, features: Features, *, text: FinishedRun, graph: FinishedRun, scratch: Path
) -> dict[str, UnfrozenBase]:
    """Return the base models that the spec unfreezes, by name.

    Args:
        scratch: Folder for the token ids, where the spec names no cache.

    Raises:
        DataError: A model is missing or damaged, or is not the one that made the run's predictions.
        SpecError: The text model cannot be loaded.
    """
    bases: dict[str, UnfrozenBase] = {}
    if spec.model.unfreeze in (TRANSFORMER, "both"):
        bases[TRANSFORMER] = _open_text(spec, dataset, text, cache=spec.lr_cache or scratch)
    if spec.model.unfreeze in (GNN, "both"):
        bases[GNN] = _open_graph(spec, dataset, graph)
    rows = dataset.rows(Split.FUSE)
    read = {
        TRANSFORMER: features.batch(rows).text_log_odds_B,
        GNN: features.batch(rows).graph_log_odds_B,
    }
    problems = [problem for name, base in bases.items() for problem in _differences(name, base, rows, read[name])]
    if problems:
        raise DataError("models to unfreeze do not reproduce their runs' predictions", problems)
    return bases


def _open_text(spec: FusionSpec, dataset: Dataset, run: FinishedRun, *, cache: Path) -> UnfrozenBase:
    quieten_library()
    folder = run.path / MODEL_FOLDER
    saved = TransformerModel(checkpoint=str(folder), max_tokens=NO_TOKEN_LIMIT)
    text = prepare_text(saved, dataset, cache=cache)
    model = load_pretrained_model(saved, pad_token_id=text.tokenizer.pad_token_id).eval()
    task = TransformerTask(
        model,
        tokens=text.tokens,
        pad_token_id=text.tokenizer.pad_token_id,
        batch_size=spec.training.batch_size,
        max_tokens=text.max_tokens,
        pairs=dataset.all_pairs() if spec.training.keep_pairs_together else None,
    )

    return UnfrozenBase(
        task=text_as_saved(task, folder, dataset),
        temperature=run.temperature,
        start=weights_of(model),
        save=saving_both(LinearPart.find(folder), partial(save_model, model, text.tokenizer)),
    )


def _open_graph(spec: FusionSpec, dataset: Dataset, run: FinishedRun) -> UnfrozenBase:
    folder = run.path / MODEL_FOLDER
    model = load_gnn(folder)
    config = GnnModel.model_validate(json.loads((folder / CONFIG_NAME).read_bytes())["model"])
    task = GraphTask(model, dataset, spec.training)
    return UnfrozenBase(
        task=graph_as_saved(task, folder, dataset),
        temperature=run.temperature,
        start=weights_of(model),
        save=saving_both(
            LinearPart.find(folder), partial(save_gnn, model=model, config=config, vocabulary=dataset.vocab)
        ),
    )


def _differences(name: str, base: UnfrozenBase, rows: Rows, read_R: Tensor) -> list[InputError]:
    """Return the mistakes of a model that does not repeat its own predictions; the longest show it best."""
    chosen = base.task.plan_evaluation(rows)[-1][-CHECKED_ROWS:]
    with torch.inference_mode():
        _, now_B = base.read(base.task.load_batch(chosen))
    difference = float((now_B - read_R[np.searchsorted(rows, chosen)]).abs().mean())
    if difference <= MAX_DIFFERENCE:
        return []
    return [
        InputError(
            where=f"/{name}",
            found=f"log-odds that differ by {difference:.2f} on average from the run's predictions",
            expected="the model and the tokenizer, with its token limit, that made them",
            fix="name a run whose model folder is as its training left it, or leave this model frozen",
        )
    ]


def load_bases(folder: Path, config: FusionModel) -> dict[str, nn.Module]:
    """Return the models that learned with a head, from its folder, by name and in evaluation mode.

    Raises:
        DataError: The graph model is missing or damaged.
        SpecError: The text model cannot be loaded.
    """
    bases: dict[str, nn.Module] = {}
    if config.unfreeze in (TRANSFORMER, "both"):
        quieten_library()
        saved = TransformerModel(checkpoint=str(folder / TRANSFORMER))
        pad_token_id: int = load_pretrained_tokenizer(saved).pad_token_id
        model: Any = load_pretrained_model(saved, pad_token_id=pad_token_id)
        bases[TRANSFORMER] = model.eval()
    if config.unfreeze in (GNN, "both"):
        bases[GNN] = load_gnn(folder / GNN)
    return bases
