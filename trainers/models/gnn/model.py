"""The graph model: functions as typed graphs, one logit pair each."""

# Shapes: B functions in the batch, N nodes and E edges of all of them, R edge types (reverses included), D width,
# C classes (2), K feature vocabularies (4).
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from cellgate.contract.configs import GnnModel
from trainers.data.batching import GraphBatch
from trainers.data.vocabulary import Vocabulary
from trainers.engine.task import Prediction
from trainers.models.gnn.propagation import PROPAGATIONS

CLASSES = 2
# Node, token and feature vectors are summed: at the usual std of 1 the sum saturates the GRU's gates.
EMBEDDING_STD = 0.3


@dataclass(frozen=True, kw_only=True)
class GraphSizes:
    """How many values each thing in a graph can take.

    Args:
        node_types: Kinds of syntax node.
        tokens: Entries of the token vocabulary.
        features: Entries of each feature vocabulary.
        edge_types: Kinds of edge, reverses included.
    """

    node_types: int
    tokens: int
    features: tuple[int, ...]
    edge_types: int

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> "GraphSizes":
        """Return the sizes of a data set's vocabulary."""
        return cls(
            node_types=len(vocabulary.node_types),
            tokens=len(vocabulary.tokens),
            features=vocabulary.feature_sizes,
            edge_types=vocabulary.edge_types_with_reverse,
        )


class NodeEncoder(nn.Module):
    """First state of each node: the sum of its type's, its token's and its features' vectors.

    Source:
        Feature vocabularies (API, data type, literal, operator): DeepDFA, Steenhoek et al. 2024, arXiv 2212.08108,
        section 3.
    """

    def __init__(self, sizes: GraphSizes, width: int) -> None:
        super().__init__()
        self.node_type = nn.Embedding(sizes.node_types, width)
        self.token = nn.Embedding(sizes.tokens, width)
        self.features = nn.ModuleList(nn.Embedding(size, width) for size in sizes.features)
        for table in (self.node_type, self.token, *self.features):
            nn.init.normal_(table.weight, std=EMBEDDING_STD)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the first states, (N, D)."""
        state_ND: Tensor = self.node_type(batch.node_type_N) + self.token(batch.node_token_N)
        for table, value_N in zip(self.features, batch.node_features_N4.unbind(dim=1), strict=True):
            state_ND = state_ND + table(value_N)
        return state_ND


class Readout(nn.Module):
    """One vector per function from its nodes' states.

    attention: p_d = sum over nodes of softmax(W_g h)_d (W_v h)_d, with a softmax over the function's nodes for each
    of the D channels, so that a channel can rest on a single node. `max`, `mean` and `sum` take no weights; the sum is
    divided by the square root of the number of nodes, since a long function would drown the classifier.

    Source:
        Gated readout: Li et al. 2016, arXiv 1511.05493, equation 7; with a softmax over nodes, as DeepDFA's attention
        pooling has it; per channel, as in the softmax aggregation of Li et al. 2020 (DeeperGCN), arXiv 2006.07739.
        A sum distinguishes graphs that mean and max do not: Xu et al. 2019, arXiv 1810.00826, section 5.3.
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.gate = nn.Linear(width, width) if kind == "attention" else None
        self.value = nn.Linear(width, width) if kind == "attention" else None

    def forward(self, state_ND: Tensor, graph_of_node_N: Tensor, graphs: int) -> Tensor:
        """Return the pooled vectors, (B, D).

        Args:
            state_ND: Of every node of the batch.
            graph_of_node_N: Number of each node's graph, 0 to B - 1.
            graphs: B, as the last graphs may have no node.
        """
        if self.gate is not None and self.value is not None:
            weight_ND = softmax(self.gate(state_ND), graph_of_node_N, num_nodes=graphs, dim=0)
            state_ND, reduce = weight_ND * self.value(state_ND), "sum"
        else:
            reduce = self.kind
        pooled_BD: Tensor = scatter(state_ND, graph_of_node_N, dim=0, dim_size=graphs, reduce=reduce)
        if self.kind == "sum":
            nodes_B = torch.bincount(graph_of_node_N, minlength=graphs)
            pooled_BD = pooled_BD / nodes_B.clamp(min=1).sqrt().unsqueeze(1)
        return pooled_BD


class GraphNetwork(nn.Module):
    """A network on code graphs, ending in two logits.

    Node encoder, propagation, layer norm, readout, and a classifier of one hidden layer. A function's logits depend on
    its own graph alone: not on the order of nodes or edges, nor on the batch.
    """

    def __init__(self, config: GnnModel, sizes: GraphSizes) -> None:
        super().__init__()
        self.encoder = NodeEncoder(sizes, config.width)
        self.propagation = PROPAGATIONS[config.architecture](config, sizes.edge_types)
        self.norm = nn.LayerNorm(config.width)
        self.readout = Readout(config.readout, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Sequential(
            nn.Linear(config.width, config.width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width, CLASSES),
        )

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the logits."""
        last = self.classifier[-1]
        assert isinstance(last, nn.Linear)
        return last

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return one vector per function, (B, D)."""
        state_ND = self.propagation(self.dropout(self.encoder(batch)), batch)
        pooled_BD: Tensor = self.readout(self.norm(state_ND), batch.graph_of_node_N, batch.graphs)
        return pooled_BD

    def forward(self, batch: GraphBatch) -> Prediction:
        """Return logits (B, C) and the vectors before the classifier (B, D)."""
        embedding_BD = self.embed(batch)
        return Prediction(logits_BC=self.classifier(embedding_BD), embedding_BD=embedding_BD)
