"""Cell 52 from top to bottom: a graph network on code graphs, one seed."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from torch import nn

from cellgate.contract.configs import Split, TrainingConfig
from cellgate.contract.results import RunResult
from cellgate.contract.specs import GnnSpec
from trainers.data.batching import GraphBatch, collate_graphs, node_budget_batches
from trainers.data.dataset import Dataset
from trainers.engine.class_balance import start_at_prior
from trainers.engine.context import RunContext
from trainers.engine.finish import TruncationMask
from trainers.engine.task import ParameterGroup, Prediction, Rows
from trainers.engine.train_cell import open_inputs, train_cell
from trainers.models.gnn.model import GraphNetwork, GraphSizes
from trainers.models.gnn.saving import save_gnn
from trainers.models.linear.base import graph_base
from trainers.models.linear.trainee import mixed_trainee

# Nodes in one batch at most. At the default width and depth, a step on so many takes 0.6 GB with `ggnn` and 1.0 GB
# with `gat`, on a CPU and generated functions.
NODE_BUDGET = 40_000
EVALUATION_BATCH = 128


def run(spec: GnnSpec, context: RunContext) -> RunResult:
    """Train one seed of the graph model and leave its model, predictions and result in the output folder.

    Raises:
        TrainerError: One of its subclasses; each names its cause.
    """
    with context.phase("load"):
        inputs = open_inputs(spec)
        dataset = inputs.dataset
        model = GraphNetwork(spec.model, GraphSizes.of(dataset.vocab))
        start_at_prior(model.last, dataset.labels(dataset.rows(Split.TRAIN)), spec.training)
    base = None
    if spec.model.mix_linear:
        with context.phase("linear"):
            base = graph_base(dataset, cache=spec.lr_cache or context.out)
    trainee = mixed_trainee(
        base,
        GraphTask(model, dataset, spec.training),
        inputs=inputs,
        context=context,
        save=partial(save_gnn, model=model, config=spec.model, vocabulary=dataset.vocab),
        cut=_cut(dataset),
    )
    return train_cell(trainee, inputs, spec=spec, context=context)


def _cut(dataset: Dataset) -> TruncationMask:
    """Return which graphs are as large as they may be; the few that are so by nature are among them."""
    limit = int(dataset.manifest.prepare["max_nodes"])
    nodes_F, _ = dataset.graph_sizes(np.arange(len(dataset)))
    return TruncationMask(limit=limit, unit="nodes", rows_F=nodes_F >= limit)


class GraphTask:
    """The graph model and its data, as the engine sees them."""

    def __init__(self, model: GraphNetwork, dataset: Dataset, training: TrainingConfig) -> None:
        self._model = model
        self._dataset = dataset
        self._training = training

    @property
    def model(self) -> nn.Module:
        """The module to train."""
        return self._model

    @property
    def groups(self) -> Sequence[ParameterGroup]:
        """Return matrices with weight decay, biases and norms without."""
        parameters = list(self._model.parameters())
        return (
            ParameterGroup(name="weights", parameters=[p for p in parameters if p.ndim > 1]),
            ParameterGroup(name="biases", parameters=[p for p in parameters if p.ndim <= 1], weight_decay=False),
        )

    @property
    def components(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The network's parts."""
        model = self._model
        return {
            "encoder": list(model.encoder.parameters()),
            "propagation": [*model.propagation.parameters(), *model.norm.parameters()],
            "classifier": [*model.readout.parameters(), *model.classifier.parameters()],
        }

    def plan_epoch(self, rows: Rows, rng: np.random.Generator) -> list[Rows]:
        """Return the epoch's batches."""
        nodes, _ = self._dataset.graph_sizes(rows)
        places = node_budget_batches(
            nodes,
            batch_size=self._training.batch_size,
            node_budget=NODE_BUDGET,
            rng=rng,
            pairs=self._dataset.pairs(rows) if self._training.keep_pairs_together else None,
        )
        return [rows[chosen] for chosen in places]

    def plan_evaluation(self, rows: Rows) -> list[Rows]:
        """Return batches of all rows, the same each time."""
        nodes, _ = self._dataset.graph_sizes(rows)
        places = node_budget_batches(
            nodes, batch_size=EVALUATION_BATCH, node_budget=NODE_BUDGET, rng=np.random.default_rng(0)
        )
        return [rows[chosen] for chosen in places]

    def load_batch(self, rows: Rows) -> GraphBatch:
        """Return the graphs of these rows as one."""
        return collate_graphs(self._dataset, rows)

    def predict(self, batch: GraphBatch) -> Prediction:
        """Return logits and pooled embeddings."""
        prediction: Prediction = self._model(batch)
        return prediction
