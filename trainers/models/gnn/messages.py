"""Messages along typed edges, and their sums at each node."""

# Shapes: N nodes and E edges of all functions, R edge types (reverses included), M = N * R, D width.
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import scatter

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
