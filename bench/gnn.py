"""Graphs per second of our training loop against a plain PyG loop on the same data and the same mathematics.

`python -m bench.gnn DATASET [--functions 1000] [--rounds 3]`: DATASET is a prepared folder. The peer is what a good
user of torch-geometric writes: a list of `Data` in memory, its DataLoader, RGCNConv for messages by edge type, a GRU
cell, soft attention, AdamW, clipping. Both train one epoch at a time, by turns, in one process with one thread, so that
other work on the machine hits both; CPU seconds are counted. Prints the ratio, and our speed on the other networks.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import AttentionalAggregation, RGCNConv

from cellgate.contract.configs import GnnModel, GnnTraining, Precision, Split
from cellgate.contract.specs import Device
from trainers.data.batching import collate_graphs
from trainers.data.dataset import Dataset
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.optimization import Stepper
from trainers.models.gnn.model import GraphNetwork, GraphSizes, NodeEncoder
from trainers.models.gnn.propagation import PROPAGATIONS
from trainers.models.gnn.train import GraphTask

BATCH = 32
RATE = 2e-3
CONFIG = GnnModel()
TRAINING = GnnTraining(batch_size=BATCH)


class PlainNetwork(nn.Module):
    """The gated graph network in torch-geometric's own layers."""

    def __init__(self, sizes: GraphSizes) -> None:
        super().__init__()
        width = CONFIG.width
        self.encoder = NodeEncoder(sizes, width)
        self.messages = RGCNConv(width, width, sizes.edge_types, aggr="sum", root_weight=False, bias=False)
        self.update = nn.GRUCell(width, width)
        self.norm = nn.LayerNorm(width)
        self.readout = AttentionalAggregation(nn.Linear(width, width), nn.Linear(width, width))
        self.dropout = nn.Dropout(CONFIG.dropout)
        self.classifier = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Dropout(CONFIG.dropout), nn.Linear(width, 2)
        )

    def forward(self, data: Data) -> Tensor:
        """Return the logits, (B, 2)."""
        state = self.dropout(self.encoder(data))
        for _ in range(CONFIG.layers):
            state = self.update(self.messages(state, data.edge_index, data.edge_type), state)
        logits: Tensor = self.classifier(self.readout(self.norm(state), data.batch, dim_size=data.num_graphs))
        return logits


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--functions", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    dataset = Dataset.open(given.dataset)
    rows = dataset.rows(Split.TRAIN)[: given.functions]
    hardware = set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=0)
    loops = {f"ours, {name}": our_epoch(dataset, rows, hardware, name) for name in PROPAGATIONS}
    loops["plain PyG, ggnn"] = plain_epoch(dataset, rows)
    for epoch in loops.values():
        epoch()
    seconds = {name: np.array([]) for name in loops}
    for _ in range(given.rounds):
        for name, epoch in loops.items():
            seconds[name] = np.append(seconds[name], timed(epoch))
    print(f"{len(rows)} functions, {dataset.graph_sizes(rows)[0].mean():.0f} nodes each on average\n")
    print("| loop | graphs per CPU second, each round |\n|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {' '.join(f'{speed:.0f}' for speed in len(rows) / taken)} |")
    print(f"\nours to plain, ggnn: {np.median(seconds['plain PyG, ggnn'] / seconds['ours, ggnn']):.2f}")


def timed(epoch: Callable[[], None]) -> float:
    """Return the CPU seconds of one epoch."""
    begun = time.process_time()
    epoch()
    return time.process_time() - begun


def our_epoch(dataset: Dataset, rows: np.ndarray, hardware: Hardware, architecture: str) -> Callable[[], None]:
    """Return an epoch of the engine's own steps."""
    torch.manual_seed(0)
    config = CONFIG.model_copy(update={"architecture": architecture})
    task = GraphTask(GraphNetwork(config, GraphSizes.of(dataset.vocab)), dataset, TRAINING)
    labels = dataset.labels(np.arange(len(dataset)))
    stepper = Stepper(task, labels=labels, config=TRAINING, hardware=hardware, events=None)
    rng = np.random.default_rng(0)

    def epoch() -> None:
        task.model.train()
        for batch in task.plan_epoch(rows, rng):
            stepper.step([batch], learning_rate=RATE)

    return epoch


def plain_epoch(dataset: Dataset, rows: np.ndarray) -> Callable[[], None]:
    """Return an epoch of the plain loop."""
    torch.manual_seed(0)
    model = PlainNetwork(GraphSizes.of(dataset.vocab))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    loader = DataLoader([as_data(dataset, int(row)) for row in rows], batch_size=BATCH, shuffle=True)

    def epoch() -> None:
        model.train()
        for data in loader:
            loss: Tensor = F.cross_entropy(model(data), data.y)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def as_data(dataset: Dataset, row: int) -> Data:
    """Return one function's graph as torch-geometric holds it."""
    graph = collate_graphs(dataset, np.array([row]))
    return Data(
        node_type_N=graph.node_type_N,
        node_token_N=graph.node_token_N,
        node_features_N4=graph.node_features_N4,
        edge_index=graph.edge_index_2E,
        edge_type=graph.edge_type_E,
        num_nodes=len(graph.node_type_N),
        y=torch.from_numpy(dataset.labels(np.array([row]))),
    )


if __name__ == "__main__":
    main()
