"""Cell 53 from top to bottom: a head over the frozen transformer and graph model of one seed."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from trainers.aggregation.runs import FinishedRun, WantedRun, open_runs
from trainers.data.batching import node_budget_batches
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.finish import finish
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.inference import infer
from trainers.engine.loop import fit
from trainers.engine.lr_choice import choose_learning_rate
from trainers.engine.metrics import auroc, margins
from trainers.engine.result_file import MODEL_FOLDER, PREDICTIONS_FOLDER
from trainers.engine.task import ParameterGroup, Prediction, Rows
from trainers.events import EventKind
from trainers.fusion.features import Features, read_features
from trainers.fusion.model import FusionBatch, FusionHead
from trainers.fusion.saving import FusionInputs, save_fusion
from trainers.results import RunResult
from trainers.specs import Cell, FusionSpec, Split

EVALUATION_BATCH = 4096


def run(spec: FusionSpec, context: RunContext) -> RunResult:
    """Train one seed of the fusion head and leave its model, predictions and result in the output folder.

    Fitted on fuse, which the base models have never seen; dev decides when to stop.

    Raises:
        TrainerError: As its subclasses say.
    """
    with context.phase("load"):
        dataset = Dataset.open(spec.dataset)
        text, graph = _open_bases(spec, dataset)
        features = read_features(text, graph, dataset=dataset, text_weight=spec.model.text_weight)
        hardware = set_up_hardware(
            device=spec.device, precision=spec.training.precision, threads=spec.threads, seed=spec.seed
        )
        text_width, graph_width = features.widths
        head = FusionHead(spec.model, text_width=text_width, graph_width=graph_width)
        task = FusionTask(head, features, spec, pairs=_pairs(spec, dataset))
        labels = dataset.labels(np.arange(len(dataset)))
        fuse_rows = dataset.rows(Split.FUSE)
    learning_rate = choose_learning_rate(
        task,
        train_rows=fuse_rows,
        labels=labels,
        config=spec.training,
        model={"cell": spec.cell, **spec.model.model_dump(mode="json"), "inputs": _input_hashes(text, graph)},
        dataset_id=dataset.id,
        cache=spec.lr_cache,
        context=context,
        hardware=hardware,
    )
    outcome = fit(
        task,
        train_rows=fuse_rows,
        dev_rows=dataset.rows(Split.DEV),
        labels=labels,
        config=spec.training,
        learning_rate=learning_rate,
        seed=spec.seed,
        context=context,
        hardware=hardware,
    )
    warnings = _keep_the_better(task, dataset, hardware, context)
    with context.phase("save"):
        inputs = FusionInputs(
            text_width=text_width,
            graph_width=graph_width,
            text_temperature=text.temperature,
            graph_temperature=graph.temperature,
            text_spec_hash=text.result.spec_hash,
            graph_spec_hash=graph.result.spec_hash,
        )
        save_fusion(context.out / MODEL_FOLDER, head, config=spec.model, inputs=inputs)
    return finish(
        task,
        dataset=dataset,
        spec=spec,
        outcome=outcome,
        learning_rate=learning_rate,
        context=context,
        hardware=hardware,
        warnings=warnings,
    )


def _keep_the_better(task: "FusionTask", dataset: Dataset, hardware: Hardware, context: RunContext) -> list[str]:
    """Make the head the ensemble again unless it ranks dev at least as well; return the warning, if so."""
    rows = dataset.rows(Split.DEV)
    labels_R = dataset.labels(rows)
    head = auroc(labels_R, margins(infer(task, rows, hardware=hardware, context=context).logits_RC))
    ensemble = auroc(labels_R, task.load_batch(rows).ensemble_log_odds_B.double().numpy())
    if head is None or ensemble is None or head >= ensemble:
        return []
    task.head.forget()
    message = f"the trained head ranks dev less well than the ensemble (AUROC {head:.4f}, {ensemble:.4f}): undone"
    context.events.write(EventKind.WARNING, code="fusion_adds_nothing", message=message)
    return [message]


def _open_bases(spec: FusionSpec, dataset: Dataset) -> tuple[FinishedRun, FinishedRun]:
    text, graph = open_runs(
        [
            WantedRun(where="/transformer", cell=Cell.TRANSFORMER, seed=spec.seed, path=spec.transformer),
            WantedRun(where="/gnn", cell=Cell.GNN, seed=spec.seed, path=spec.gnn),
        ],
        dataset=dataset,
    )
    return text, graph


def _input_hashes(*runs: FinishedRun) -> list[str]:
    """Return what ties a learning rate to the very predictions that it was found on."""
    return [run.result.artifacts[f"{PREDICTIONS_FOLDER}/{Split.FUSE.value}.arrow"] for run in runs]


def _pairs(spec: FusionSpec, dataset: Dataset) -> list[str | None] | None:
    return dataset.pairs(np.arange(len(dataset))) if spec.training.keep_pairs_together else None


class FusionTask:
    """The head and its cached inputs, as the engine sees them.

    Args:
        pairs: Pair of each of the data set's rows, to keep both members in one batch; null does not.
    """

    def __init__(
        self, head: FusionHead, features: Features, spec: FusionSpec, *, pairs: Sequence[str | None] | None
    ) -> None:
        self.head = head
        self._features = features
        self._spec = spec
        self._pairs = pairs

    @property
    def model(self) -> nn.Module:
        """The head; the base models are frozen and not even loaded."""
        return self.head

    @property
    def groups(self) -> Sequence[ParameterGroup]:
        """The projections of both models at their own learning rates, and what joins them."""
        config = self._spec.model
        parts = self.components
        return (
            ParameterGroup(name="transformer", parameters=parts["transformer"], lr_ratio=config.transformer_lr_ratio),
            ParameterGroup(name="gnn", parameters=parts["gnn"], lr_ratio=config.gnn_lr_ratio),
            ParameterGroup(name="head", parameters=parts["head"]),
        )

    @property
    def components(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The projection of either model, and what joins them."""
        head = self.head
        return {
            "transformer": list(head.text.parameters()),
            "gnn": list(head.graph.parameters()),
            "head": [*head.gate.parameters(), *head.hidden.parameters(), *head.correction.parameters()],
        }

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        """Return the epoch's batches."""
        places = node_budget_batches(
            np.ones(len(rows), dtype=np.int64),
            batch_size=self._spec.training.batch_size,
            node_budget=self._spec.training.batch_size,
            rng=rng,
            pairs=None if self._pairs is None else [self._pairs[int(row)] for row in rows],
        )
        return [rows[chosen] for chosen in places]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        """Return batches of all rows, in order."""
        return [rows[first : first + EVALUATION_BATCH] for first in range(0, len(rows), EVALUATION_BATCH)]

    def load_batch(self, rows: Rows) -> FusionBatch:
        """Return what the frozen models said of these rows."""
        return self._features.batch(rows)

    def predict(self, batch: FusionBatch) -> Prediction:
        """Return logits and the head's hidden layer."""
        prediction: Prediction = self.head(batch)
        return prediction
