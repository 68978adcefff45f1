"""How nodes learn from their neighbours: four ways, one registry. Every one lets an edge's type change the message."""

# Shapes: N nodes and E edges of all functions, R edge types (reverses included), M = N * R, D width, H heads.
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from trainers.data.batching import GraphBatch
from trainers.specs import GnnModel

HEADS = 4
Propagation = Callable[[GnnModel, int], nn.Module]


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
        self.edge_types = edge_types
        self.mean = mean
        self.weight = nn.Linear(width, width * edge_types, bias=False)

    def forward(self, state_ND: Tensor, edges: "TypedEdges") -> Tensor:
        """Return the messages of all types together, (N, D)."""
        nodes, width = state_ND.shape
        # One matrix product makes every node's message of every type, then each edge picks its own: edges need no
        # sorting by type, and there is no loop over types.
        message_MD = self.weight(state_ND).view(nodes * self.edge_types, width)
        sent_ED = message_MD.index_select(0, edges.source_E)
        if self.mean:
            sent_ED = sent_ED * edges.share_E.unsqueeze(1)
        summed_ND: Tensor = scatter(sent_ED, edges.target_E, dim=0, dim_size=nodes, reduce="sum")
        return summed_ND


class TypedEdges:
    """A batch's edges, numbered as `TypedMessages` wants them.

    Args:
        batch: Of graphs.
        edge_types: R.
    """

    def __init__(self, batch: GraphBatch, edge_types: int) -> None:
        sender_E, self.target_E = batch.edge_index_2E.unbind()
        self.source_E = sender_E * edge_types + batch.edge_type_E
        self._kind_E = self.target_E * edge_types + batch.edge_type_E
        self._kinds = len(batch.node_type_N) * edge_types

    @property
    def share_E(self) -> Tensor:
        """One over the number of edges that reach the target by the same type, (E,), float32."""
        return 1.0 / torch.bincount(self._kind_E, minlength=self._kinds)[self._kind_E]


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
    """h + MLP((1 + eps) h + sum over edges of ReLU(s_r * h_u + t_r)), after a layer norm.

    The edge's type scales and shifts the sender's state: to add its embedding alone, as the first paper does, left
    the model near chance at what depends on which variable is meant.

    Source:
        Hu et al. 2020 (GINE), arXiv 1905.12265, section 3.2; scale and shift by edge type: GNN-FiLM, Brockschmidt
        2020, arXiv 1906.12192.
    """

    def __init__(self, config: GnnModel, edge_types: int) -> None:
        super().__init__()
        width = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers))
        self.films = nn.ModuleList(_film(edge_types, width) for _ in range(config.layers))
        self.eps = nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(config.layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_ND: Tensor, batch: GraphBatch) -> Tensor:
        """Return the last states, (N, D)."""
        source_E, target_E = batch.edge_index_2E.unbind()
        for norm, film, eps, mlp in zip(self.norms, self.films, self.eps, self.mlps, strict=True):
            normed_ND = norm(state_ND)
            scale_ED, shift_ED = film(batch.edge_type_E).chunk(2, dim=1)
            sent_ED = F.relu(scale_ED * normed_ND.index_select(0, source_E) + shift_ED)
            summed_ND = scatter(sent_ED, target_E, dim=0, dim_size=len(state_ND), reduce="sum")
            state_ND = state_ND + self.dropout(mlp((1 + eps) * normed_ND + summed_ND))
        return state_ND


class Attentive(nn.Module):
    """h + sum over edges of a softmax weight times the sender's value, after a layer norm; several heads.

    The weight is w . LeakyReLU(A h_u + B h_v + c_r); the value is scaled and shifted by the edge's type.

    Source:
        Brody et al. 2022 (GATv2), arXiv 2105.14491, equation 7; scale and shift by edge type as in GNN-FiLM.
    """

    def __init__(self, config: GnnModel, edge_types: int) -> None:
        super().__init__()
        width = config.width
        self.heads = math.gcd(width, HEADS)
        layers = range(config.layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in layers)
        self.senders = nn.ModuleList(nn.Linear(width, 2 * width) for _ in layers)
        self.receivers = nn.ModuleList(nn.Linear(width, width) for _ in layers)
        self.kinds = nn.ModuleList(nn.Embedding(edge_types, width) for _ in layers)
        self.films = nn.ModuleList(_film(edge_types, width) for _ in layers)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(self.heads, width // self.heads) * 0.1) for _ in layers
        )
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in layers)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_ND: Tensor, batch: GraphBatch) -> Tensor:
        """Return the last states, (N, D)."""
        for layer in range(len(self.norms)):
            state_ND = state_ND + self.dropout(self._attend(layer, self.norms[layer](state_ND), batch))
        return state_ND

    def _attend(self, layer: int, normed_ND: Tensor, batch: GraphBatch) -> Tensor:
        source_E, target_E = batch.edge_index_2E.unbind()
        nodes, width = normed_ND.shape
        key_ED, value_ED = self.senders[layer](normed_ND).index_select(0, source_E).chunk(2, dim=1)
        query_ED = self.receivers[layer](normed_ND).index_select(0, target_E)
        seen_EHD = F.leaky_relu(key_ED + query_ED + self.kinds[layer](batch.edge_type_E), 0.2)
        score_EH = (seen_EHD.view(-1, self.heads, width // self.heads) * self.weights[layer]).sum(dim=2)
        weight_EH = softmax(score_EH, target_E, num_nodes=nodes, dim=0)
        scale_ED, shift_ED = self.films[layer](batch.edge_type_E).chunk(2, dim=1)
        sent_ED = (scale_ED * value_ED + shift_ED).view(-1, self.heads, width // self.heads) * weight_EH.unsqueeze(2)
        summed_ND = scatter(sent_ED.reshape(-1, width), target_E, dim=0, dim_size=nodes, reduce="sum")
        mixed_ND: Tensor = self.outs[layer](F.relu(summed_ND))
        return mixed_ND


def _film(edge_types: int, width: int) -> nn.Embedding:
    """Return a scale near 1 and a shift near 0 for each edge type, (R, 2 D), apart enough to tell types at once."""
    table = nn.Embedding(edge_types, 2 * width)
    nn.init.normal_(table.weight, std=0.5)
    with torch.no_grad():
        table.weight[:, :width] += 1.0
    return table


PROPAGATIONS: dict[str, Propagation] = {
    "ggnn": Gated,
    "gine": Isomorphic,
    "rgcn": Relational,
    "gat": Attentive,
}
