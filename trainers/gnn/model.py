"""The gated graph network: functions as typed graphs, one logit pair each."""

# Shapes: B functions in the batch, N nodes and E edges of all of them, R edge types (reverses included), D width,
# C classes (2), K feature vocabularies (4).
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import scatter, softmax

from trainers.data.batching import GraphBatch
from trainers.data.vocabulary import Vocabulary
from trainers.engine.task import Prediction
from trainers.specs import GnnModel

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


class TypedMessages(MessagePassing):  # type: ignore[misc]  # the library ships no types
    """Sum of the messages that reach each node; a message is the sender's state times its edge type's matrix.

    m_v = sum over edges (u, r, v) of W_r h_u, with a matrix for each type and each direction.

    Source:
        Li et al. 2016, arXiv 1511.05493, equation 2.
    """

    def __init__(self, width: int, edge_types: int) -> None:
        super().__init__(aggr="add")
        self.edge_types = edge_types
        self.weight = nn.Linear(width, width * edge_types, bias=False)

    def forward(self, state_ND: Tensor, source_target_2E: Tensor) -> Tensor:
        """Return the sums, (N, D).

        Args:
            source_target_2E: From `typed_sources`: sources are numbered by node and type.
        """
        nodes, width = state_ND.shape
        # One matrix product makes every node's message of every type, then each edge picks its own: edges need no
        # sorting by type, and there is no loop over types.
        message_MD = self.weight(state_ND).view(nodes * self.edge_types, width)
        summed_ND: Tensor = self.propagate(
            source_target_2E, x=(message_MD, None), size=(nodes * self.edge_types, nodes)
        )
        return summed_ND

    def message(self, x_j: Tensor) -> Tensor:
        """Return the messages of the edges, (E, D)."""
        return x_j


def typed_sources(edge_index_2E: Tensor, edge_type_E: Tensor, edge_types: int) -> Tensor:
    """Return the edges with sources numbered `node * edge_types + type`, (2, E)."""
    return torch.stack([edge_index_2E[0] * edge_types + edge_type_E, edge_index_2E[1]])


class Readout(nn.Module):
    """One vector per function from its nodes' states.

    attention: p_d = sum over nodes of softmax(W_g h)_d (W_v h)_d, with a softmax over the function's nodes for each
    of the D channels, so that a channel can rest on a single node; `max` and `mean` take no weights.

    Source:
        Gated readout: Li et al. 2016, arXiv 1511.05493, equation 7; with a softmax over nodes, as DeepDFA's attention
        pooling has it; per channel, as in the softmax aggregation of Li et al. 2020 (DeeperGCN), arXiv 2006.07739.
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.gate = nn.Linear(width, width) if kind == "attention" else None
        self.value = nn.Linear(width, width) if kind == "attention" else None

    def forward(self, state_ND: Tensor, graph_of_node_N: Tensor, graphs: int) -> Tensor:
        """Return the pooled vectors, (B, D)."""
        if self.gate is None or self.value is None:
            pooled_BD: Tensor = scatter(state_ND, graph_of_node_N, dim=0, dim_size=graphs, reduce=self.kind)
            return pooled_BD
        weight_ND = softmax(self.gate(state_ND), graph_of_node_N, num_nodes=graphs, dim=0)
        attended_BD: Tensor = scatter(
            weight_ND * self.value(state_ND), graph_of_node_N, dim=0, dim_size=graphs, reduce="sum"
        )
        return attended_BD


class GatedGraphNetwork(nn.Module):
    """Gated graph network on code graphs, ending in two logits.

    h_0 is the node encoder's output; for t = 1 … layers, m_t = typed messages of h_(t-1) and
    h_t = GRU(m_t, h_(t-1)), with the same weights at each t; then layer norm, readout and a classifier of one hidden
    layer. A function's logits depend on its own graph alone: not on the order of nodes or edges, nor on the batch.

    Source:
        Li et al. 2016, arXiv 1511.05493; on code: Devign, Zhou et al. 2019, arXiv 1909.03496, section 3.
    """

    def __init__(self, config: GnnModel, sizes: GraphSizes) -> None:
        super().__init__()
        self.layers = config.layers
        self.edge_types = sizes.edge_types
        self.encoder = NodeEncoder(sizes, config.width)
        self.messages = TypedMessages(config.width, sizes.edge_types)
        self.update = nn.GRUCell(config.width, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.readout = Readout(config.readout, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Sequential(
            nn.Linear(config.width, config.width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width, CLASSES),
        )

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return one vector per function, (B, D)."""
        state_ND = self.dropout(self.encoder(batch))
        source_target_2E = typed_sources(batch.edge_index_2E, batch.edge_type_E, self.edge_types)
        for _ in range(self.layers):
            state_ND = self.update(self.messages(state_ND, source_target_2E), state_ND)
        pooled_BD: Tensor = self.readout(self.norm(state_ND), batch.graph_of_node_N, batch.graphs)
        return pooled_BD

    def forward(self, batch: GraphBatch) -> Prediction:
        """Return logits (B, C) and the vectors before the classifier (B, D)."""
        embedding_BD = self.embed(batch)
        return Prediction(logits_BC=self.classifier(embedding_BD), embedding_BD=embedding_BD)
