"""How nodes learn from their neighbours: four ways, one registry. Every one lets an edge's type change the message."""

# Shapes: N nodes and E edges of all functions, R edge types (reverses included), M = N * R, D width, H heads of
# K = D / H channels.
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from cellgate.contract.configs import GnnModel
from trainers.data.batching import GraphBatch


class TypedEdges:
    """A batch's edges, in the order in which their messages are made: on a CPU by type, elsewhere as they come.

    Args:
        batch: Of graphs.
        edge_types: R.
    """

    def __init__(self, batch: GraphBatch, edge_types: int) -> None:
        self.nodes, self.types = len(batch.node_type_N), edge_types
        self.type_E, (self.sender_E, self.target_E) = batch.edge_type_E, batch.edge_index_2E.unbind()
        # Null where a GPU would have to be waited for, or a compiled model be compiled for each batch anew.
        self.counts_R: list[int] | None = None
        if self.type_E.device.type == "cpu" and not torch.compiler.is_compiling():
            self.type_E, order_E = torch.sort(self.type_E, stable=True)
            self.sender_E, self.target_E = self.sender_E[order_E], self.target_E[order_E]
            self.counts_R = torch.bincount(self.type_E, minlength=edge_types).tolist()

    @property
    def share_E(self) -> Tensor:
        """One over the number of edges that reach the target by the same type, (E,), float32."""
        kind_E = self.target_E * self.types + self.type_E
        # Of a size that the compiler knows beforehand, as that of `bincount` is not.
        count_M: Tensor = scatter(torch.ones_like(kind_E), kind_E, dim_size=self.nodes * self.types)
        return 1.0 / count_M[kind_E]

    def collect(self, sent_ED: Tensor) -> Tensor:
        """Return the sum of the messages at each node, (N, D)."""
        summed_ND: Tensor = scatter(sent_ED, self.target_E, dim=0, dim_size=self.nodes, reduce="sum")
        return summed_ND


class TypedLinear(nn.Linear):
    """What each edge carries: the sender's state times the matrix of the edge's type, W_r h_u, and that type's bias.

    Args:
        width: D.
        edge_types: R; the types' matrices lie one below another in one weight, (R * D, D).
        bias: Add one.
    """

    def __init__(self, width: int, edge_types: int, *, bias: bool) -> None:
        super().__init__(width, width * edge_types, bias=bias)

    def forward(self, state_ND: Tensor, edges: TypedEdges) -> Tensor:  # type: ignore[override]  # edges choose the rows
        """Return it for every edge, (E, D)."""
        return (
            self._of_all(state_ND, edges) if edges.counts_R is None else self._of_some(state_ND, edges, edges.counts_R)
        )

    def _of_all(self, state_ND: Tensor, edges: TypedEdges) -> Tensor:
        """Make every node's message of every type in one matrix product; each edge picks its own."""
        message_MD = super().forward(state_ND).view(edges.nodes * edges.types, -1)
        return message_MD.index_select(0, edges.sender_E * edges.types + edges.type_E)

    def _of_some(self, state_ND: Tensor, edges: TypedEdges, counts_R: list[int]) -> Tensor:
        """Make the messages that are sent, type by type: few nodes send by every type, so that is far less work."""
        senders_R = torch.split(state_ND.index_select(0, edges.sender_E), counts_R)
        biases_R = [None] * edges.types if self.bias is None else self.bias.chunk(edges.types)
        parts = zip(senders_R, self.weight.chunk(edges.types), biases_R, strict=True)
        return torch.cat([F.linear(sender_ED, weight_DD, bias_D) for sender_ED, weight_DD, bias_D in parts])


class TypedMessages(nn.Module):
    """Sum or mean of the messages that reach each node; a message is the sender's state times its edge type's matrix.

    m_v = sum over edges (u, r, v) of W_r h_u, with a matrix for each type and each direction.

    Args:
        mean: Divide what comes over each type by the number of its edges, as relational graph convolutions do.

    Source:
        Li et al. 2016, arXiv 1511.05493, equation 2.
    """

    def __init__(self, width: int, edge_types: int, *, mean: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.weight = TypedLinear(width, edge_types, bias=False)

    def forward(self, state_ND: Tensor, edges: TypedEdges) -> Tensor:
        """Return the messages of all types together, (N, D)."""
        sent_ED: Tensor = self.weight(state_ND, edges)
        if self.mean:
            sent_ED = sent_ED * edges.share_E.unsqueeze(1)
        return edges.collect(sent_ED)


HEADS = 4
Propagation = Callable[[GnnModel, int], nn.Module]


class Gated(nn.Module):
    """h_t = GRU(m_t, h_(t-1)), with the same weights at each step.

    Source:
        Li et al. 2016, arXiv 1511.05493; on code: Devign, Zhou et al. 2019, arXiv 1909.03496, section 3.
    """

    def __init__(self, config: GnnModel, edge_types: int) -> None:
        super().__init__()
        self.steps = config.layers
        self.edge_types = edge_types
        self.messages = TypedMessages(config.width, edge_types)
        self.update = nn.GRUCell(config.width, config.width)

    def forward(self, state_ND: Tensor, batch: GraphBatch) -> Tensor:
        """Return the last states, (N, D)."""
        edges = TypedEdges(batch, self.edge_types)
        for _ in range(self.steps):
            state_ND = self.update(self.messages(state_ND, edges), state_ND)
        return state_ND


class Relational(nn.Module):
    """h + ReLU(W h + mean over each type's edges of W_r h_u), after a layer norm; weights of its own in each layer.

    Source:
        Schlichtkrull et al. 2018 (R-GCN), arXiv 1703.06103, equation 2; residual and norm for depth: Li et al. 2020
        (DeeperGCN), arXiv 2006.07739.
    """

    def __init__(self, config: GnnModel, edge_types: int) -> None:
        super().__init__()
        self.edge_types = edge_types
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        self.messages = nn.ModuleList(TypedMessages(config.width, edge_types, mean=True) for _ in range(config.layers))
        self.own = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_ND: Tensor, batch: GraphBatch) -> Tensor:
        """Return the last states, (N, D)."""
        edges = TypedEdges(batch, self.edge_types)
        for norm, messages, own in zip(self.norms, self.messages, self.own, strict=True):
            normed_ND = norm(state_ND)
            state_ND = state_ND + self.dropout(F.relu(own(normed_ND) + messages(normed_ND, edges)))
        return state_ND


class Isomorphic(nn.Module):
    """h + MLP((1 + eps) h + sum over types of the mean over their edges of ReLU(W_r h_u)), after a layer norm.

    Two things differ from the paper, since without them the model stayed at chance within five epochs: an edge's type
    has a matrix of its own instead of a vector that is added, and each type's messages are averaged, for a block's
    hundred children drown everything else in a sum.

    Source:
        Hu et al. 2020 (GINE), arXiv 1905.12265, section 3.2, after Xu et al. 2019 (GIN), arXiv 1810.00826.
    """

    def __init__(self, config: GnnModel, edge_types: int) -> None:
        super().__init__()
        width = config.width
        self.edge_types = edge_types
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers))
        self.messages = nn.ModuleList(TypedLinear(width, edge_types, bias=True) for _ in range(config.layers))
        self.eps = nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(config.layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.LayerNorm(2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_ND: Tensor, batch: GraphBatch) -> Tensor:
        """Return the last states, (N, D)."""
        edges = TypedEdges(batch, self.edge_types)
        share_E1 = edges.share_E.unsqueeze(1)
        for norm, messages, eps, mlp in zip(self.norms, self.messages, self.eps, self.mlps, strict=True):
            normed_ND = norm(state_ND)
            heard_ND = edges.collect(F.relu(messages(normed_ND, edges)) * share_E1)
            state_ND = state_ND + self.dropout(mlp((1 + eps) * normed_ND + heard_ND))
        return state_ND


class Attentive(nn.Module):
    """h + ReLU(W [h; sum over edges of a softmax weight times W_r h_u]), after a layer norm; several heads.

    The weight is w . LeakyReLU(W_r h_u + B h_v), with a softmax over the edges that reach v. The edge's type has a
    matrix of its own: to add its embedding to the score alone, or to scale and shift the value by it, left the model
    at chance within five epochs.

    Source:
        Brody et al. 2022 (GATv2), arXiv 2105.14491, equation 7; matrices by type: Busbridge et al. 2019 (RGAT),
        arXiv 1904.05811.
    """

    def __init__(self, config: GnnModel, edge_types: int) -> None:
        super().__init__()
        width = config.width
        self.heads = math.gcd(width, HEADS)
        self.edge_types = edge_types
        layers = range(config.layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in layers)
        self.messages = nn.ModuleList(TypedLinear(width, edge_types, bias=False) for _ in layers)
        self.receivers = nn.ModuleList(nn.Linear(width, width) for _ in layers)
        self.weights = nn.ParameterList(nn.Parameter(_score_weights(self.heads, width)) for _ in layers)
        self.outs = nn.ModuleList(nn.Linear(2 * width, width) for _ in layers)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_ND: Tensor, batch: GraphBatch) -> Tensor:
        """Return the last states, (N, D)."""
        edges = TypedEdges(batch, self.edge_types)
        for layer, norm in enumerate(self.norms):
            state_ND = state_ND + self.dropout(self._attend(layer, norm(state_ND), edges))
        return state_ND

    def _attend(self, layer: int, normed_ND: Tensor, edges: TypedEdges) -> Tensor:
        nodes, width = normed_ND.shape
        sent_ED = self.messages[layer](normed_ND, edges)
        query_ED = self.receivers[layer](normed_ND).index_select(0, edges.target_E)
        seen_EHK = F.leaky_relu(sent_ED + query_ED, 0.2).view(-1, self.heads, width // self.heads)
        score_EH = (seen_EHK * self.weights[layer]).sum(dim=2)
        weight_EH = softmax(score_EH, edges.target_E, num_nodes=nodes, dim=0)
        weighed_EHK = sent_ED.view(-1, self.heads, width // self.heads) * weight_EH.unsqueeze(2)
        summed_ND = edges.collect(weighed_EHK.reshape(-1, width))
        mixed_ND: Tensor = F.relu(self.outs[layer](torch.cat([normed_ND, summed_ND], dim=1)))
        return mixed_ND


def _score_weights(heads: int, width: int) -> Tensor:
    return torch.randn(heads, width // heads) * 0.3


PROPAGATIONS: dict[str, Propagation] = {
    "ggnn": Gated,
    "gine": Isomorphic,
    "rgcn": Relational,
    "gat": Attentive,
}
