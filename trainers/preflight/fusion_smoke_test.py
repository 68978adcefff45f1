"""Smoke test of cell 53: its head takes one batch through every stage, on the outputs of two untrained models."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cellgate.contract.configs import Split
from cellgate.contract.specs import FusionSpec
from trainers.data.dataset import Dataset
from trainers.engine.checkpoint import Weights
from trainers.engine.finish import EVALUATED
from trainers.engine.inference import Outputs, infer
from trainers.engine.memory import MemoryWatch
from trainers.engine.metrics import margins
from trainers.engine.task import Rows, Task
from trainers.evaluation.ensemble import ensemble_log_odds
from trainers.models.fusion.base_models import GNN, TRANSFORMER, UnfrozenBase
from trainers.models.fusion.features import NOTHING_PARSED, Features
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.model import FusionBatch
from trainers.models.fusion.saving import FusionInputs, load_fusion, save_fusion
from trainers.models.fusion.task import FusionTask
from trainers.preflight.checks import CheckCollector
from trainers.preflight.resources import (
    CLASSES,
    FLOAT_BYTES,
)
from trainers.preflight.smoke_test import SmokeTestContext, check_resources, fresh_folder
from trainers.preflight.stages import SAMPLE_ROWS, Stages

NAME = "fusion"
BATCHES = 2
# As they are read, joined, and as tensors.
FEATURE_COPIES = 3


def try_fusion(spec: FusionSpec, setup: SmokeTestContext) -> CheckCollector:
    """Return the checks of cell 53 on the models that the other smoke tests built."""
    checks = CheckCollector(NAME)
    missing = [name for name in (TRANSFORMER, GNN) if name not in setup.bases]
    if missing:
        detail = f"not tried: there is no {' and no '.join(missing)} model to try it on"
        checks.add("model", "fail", detail, fix="give both configs and put right what they fail at")
        return checks
    with fresh_folder(setup.scratch / NAME) as scratch:
        checks.guard("model", lambda: _try(spec, setup, checks, scratch))
    return checks


def _try(spec: FusionSpec, setup: SmokeTestContext, checks: CheckCollector, scratch: Path) -> None:
    live = {name: base for name, base in setup.bases.items() if spec.model.unfreeze in (name, "both")}
    fuse_rows = _sample(setup.dataset.rows(Split.FUSE), BATCHES * spec.training.batch_size, live)
    dev_rows = setup.dataset.rows(Split.DEV)[:SAMPLE_ROWS]
    features = _features(spec, setup, np.union1d(fuse_rows, dev_rows))
    with MemoryWatch(setup.hardware.device) as watch:
        task = _task(spec, setup, features, live)
        parameters = sum(parameter.numel() for parameter in task.model.parameters())
        checks.add("model", "pass", f"{parameters:,} parameters, on both untrained models")
        stages = Stages(
            NAME,
            task,
            train_rows=fuse_rows,
            dev_rows=dev_rows,
            labels=setup.dataset.labels(np.arange(len(setup.dataset))),
            config=spec.training,
            cost=len,
            context=setup.context,
            hardware=setup.hardware,
            scratch=scratch,
        )
        stages.train()
    if stages.checks.passed("step"):
        data = _feature_bytes(setup.dataset, features) + 2 * sum(_weight_bytes(base.start) for base in live.values())
        # Frozen models are read, not run.
        libraries = setup.libraries if live else setup.engine
        stages.checks.extend(
            check_resources(
                NAME, stages, watch, setup, libraries=libraries, data=data, checkpoints=scratch, whole=False
            )
        )
    stages.save(lambda folder: _reload(folder, task, spec, features, live))
    checks.extend(stages.checks.made)


def _sample(rows: Rows, count: int, live: dict[str, UnfrozenBase]) -> Rows:
    """Return some rows, the most expensive ones of a live model among them."""
    chosen = [rows[:count], *(base.task.plan_evaluation(rows)[-1][-count:] for base in live.values())]
    return np.unique(np.concatenate(chosen))


def _features(spec: FusionSpec, setup: SmokeTestContext, rows: Rows) -> Features:
    """Return the head's inputs, as `read_features` does from finished runs."""
    outputs = {name: _infer(setup.bases[name].task, rows, setup) for name in (TRANSFORMER, GNN)}
    text_K, graph_K = margins(outputs[TRANSFORMER].logits_RC), margins(outputs[GNN].logits_RC)
    place_F = np.full(len(setup.dataset), len(rows), dtype=np.int64)
    place_F[rows] = np.arange(len(rows))
    return Features(
        place_F=place_F,
        inputs=FusionBatch(
            text_BT=_tensor(outputs[TRANSFORMER].embeddings_RD),
            graph_BG=_tensor(outputs[GNN].embeddings_RD),
            text_log_odds_B=_tensor(text_K),
            graph_log_odds_B=_tensor(graph_K),
            ensemble_log_odds_B=_tensor(ensemble_log_odds(text_K, graph_K, text_weight=spec.model.text_weight)),
            graph_missing_B=torch.tensor([q == NOTHING_PARSED for q in setup.dataset.graph_qualities(rows)]),
        ),
    )


def _infer(task: Task, rows: Rows, setup: SmokeTestContext) -> Outputs:
    return infer(task, rows, hardware=setup.hardware, context=setup.context)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _task(spec: FusionSpec, setup: SmokeTestContext, features: Features, live: dict[str, UnfrozenBase]) -> FusionTask:
    text_width, graph_width = features.widths
    head = build_head(spec.model, text_width=text_width, graph_width=graph_width)
    head.learn_missing(graphs_missing=bool(features.inputs.graph_missing_B.any()))
    pairs = setup.dataset.all_pairs() if spec.training.keep_pairs_together else None
    return FusionTask(head, features, spec, pairs=pairs, bases=live)


def _reload(
    folder: Path, task: FusionTask, spec: FusionSpec, features: Features, live: dict[str, UnfrozenBase]
) -> FusionTask:
    text_width, graph_width = features.widths
    for name, base in live.items():
        base.save(folder / name)
    inputs = FusionInputs(
        text_width=text_width,
        graph_width=graph_width,
        text_temperature=1.0,
        graph_temperature=1.0,
        text_spec_hash="",
        graph_spec_hash="",
    )
    save_fusion(folder, task.head, config=spec.model, inputs=inputs)
    return FusionTask(load_fusion(folder).head, features, spec, pairs=None, bases=live)


def _feature_bytes(dataset: Dataset, features: Features) -> int:
    rows = sum(len(dataset.rows(split)) for split in EVALUATED)
    return FEATURE_COPIES * FLOAT_BYTES * rows * (sum(features.widths) + 2 * CLASSES)


def _weight_bytes(weights: Weights) -> int:
    return sum(tensor.nbytes for tensor in weights.values())
