"""The kinds of fusion head, and the one place that knows them all."""

# Shapes: B functions in the batch, D width of the head, S slots, H attention heads.
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cellgate.contract.configs import FusionModel
from trainers.models.fusion.model import FusionBatch, FusionHead, Side, verdicts

VERDICTS = 3
MAX_ATTENTION_HEADS = 4


class TwoSidedHead(FusionHead):
    """A head that reads both embeddings, each through a side of its own."""

    text: Side
    graph: Side

    @property
    def sides(self) -> Mapping[str, Side]:
        """The text model's side and the graph model's."""
        return {"transformer": self.text, "gnn": self.graph}


class GatedHead(TwoSidedHead):
    """Product and difference of the two embeddings, weighed channel by channel by a gate.

    u = LN(P_t x_t), v = LN(P_g x_g), g = sigmoid(W_g [u; v]); hidden = MLP([g * u * v; (1 - g) * |u - v|; verdicts]).

    Source:
        Product and difference of two embeddings: InferSent, Conneau et al. 2017, arXiv 1705.02364, section 3.1.
    """

    def __init__(self, config: FusionModel, *, text_width: int, graph_width: int) -> None:
        super().__init__(config)
        width = config.width
        self.text = Side(nn.Sequential(nn.Linear(text_width, width), nn.LayerNorm(width)), text_width)
        self.graph = Side(nn.Sequential(nn.Linear(graph_width, width), nn.LayerNorm(width)), graph_width)
        self.gate = nn.Linear(2 * width, width)
        self.join = nn.Linear(2 * width + VERDICTS, width)
        self.correction = nn.Linear(width, 1)
        self.forget()

    def hidden(self, batch: FusionBatch, *, hide_text_B: Tensor, hide_graph_B: Tensor) -> Tensor:
        """Return the hidden layer, (B, D).

        Args:
            batch: Embeddings and calibrated log-odds of both models.
            hide_text_B: Bool, True where the text embedding must not be used.
            hide_graph_B: Bool, True where the graph embedding must not be used.
        """
        text_BD = self.dropout(self.text(batch.text_BT, hide_text_B))
        graph_BD = self.dropout(self.graph(batch.graph_BG, hide_graph_B))
        gate_BD = torch.sigmoid(self.gate(torch.cat([text_BD, graph_BD], dim=1)))
        joined = [gate_BD * text_BD * graph_BD, (1 - gate_BD) * (text_BD - graph_BD).abs(), verdicts(batch)]
        return F.gelu(self.join(torch.cat(joined, dim=1)))


class CrossAttentionHead(TwoSidedHead):
    """Each embedding, split into slots, attends to the other's slots.

    U = slots of LN(P_t x_t), V = slots of LN(P_g x_g); U' = LN(U + attention(U, V)), V' = LN(V + attention(V, U));
    hidden = MLP([mean of U'; mean of V'; verdicts]).

    Source:
        Co-attention in both directions: ViLBERT, Lu et al. 2019, arXiv 1908.02265, section 2.2.
    """

    def __init__(self, config: FusionModel, *, text_width: int, graph_width: int) -> None:
        super().__init__(config)
        width = config.width
        self.text = _slots(text_width, config)
        self.graph = _slots(graph_width, config)
        heads = next(count for count in range(MAX_ATTENTION_HEADS, 0, -1) if width % count == 0)
        self.text_to_graph = nn.MultiheadAttention(width, heads, dropout=config.dropout, batch_first=True)
        self.graph_to_text = nn.MultiheadAttention(width, heads, dropout=config.dropout, batch_first=True)
        self.text_norm = nn.LayerNorm(width)
        self.graph_norm = nn.LayerNorm(width)
        self.join = nn.Linear(2 * width + VERDICTS, width)
        self.correction = nn.Linear(width, 1)
        self.forget()

    def hidden(self, batch: FusionBatch, *, hide_text_B: Tensor, hide_graph_B: Tensor) -> Tensor:
        """Return the hidden layer, (B, D).

        Args:
            batch: Embeddings and calibrated log-odds of both models.
            hide_text_B: Bool, True where the text embedding must not be used.
            hide_graph_B: Bool, True where the graph embedding must not be used.
        """
        text_BSD = self.dropout(self.text(batch.text_BT, hide_text_B))
        graph_BSD = self.dropout(self.graph(batch.graph_BG, hide_graph_B))
        from_graph_BSD, _ = self.text_to_graph(text_BSD, graph_BSD, graph_BSD, need_weights=False)
        from_text_BSD, _ = self.graph_to_text(graph_BSD, text_BSD, text_BSD, need_weights=False)
        text_BD = self.text_norm(text_BSD + from_graph_BSD).mean(dim=1)
        graph_BD = self.graph_norm(graph_BSD + from_text_BSD).mean(dim=1)
        return F.gelu(self.join(torch.cat([text_BD, graph_BD, verdicts(batch)], dim=1)))


class StackingHead(FusionHead):
    """The two verdicts alone: both log-odds, their product and their difference, through one hidden layer.

    Source:
        Wolpert 1992, Stacked generalization, Neural Networks 5 (2), pages 241 to 259.
    """

    def __init__(self, config: FusionModel, **_widths: int) -> None:
        super().__init__(config)
        self.join = nn.Linear(VERDICTS + 1, config.width)
        self.correction = nn.Linear(config.width, 1)
        self.forget()

    def hidden(self, batch: FusionBatch, *, hide_text_B: Tensor, hide_graph_B: Tensor) -> Tensor:  # noqa: ARG002
        """Return the hidden layer, (B, D); there is no embedding to hide.

        Args:
            batch: Embeddings and calibrated log-odds of both models.
            hide_text_B: Bool, True where the text embedding must not be used.
            hide_graph_B: Bool, True where the graph embedding must not be used.
        """
        said_BV = verdicts(batch)
        difference_B1 = said_BV[:, :1] - said_BV[:, 1:2]
        return F.gelu(self.join(torch.cat([said_BV, difference_B1], dim=1)))


def _slots(embedding_width: int, config: FusionModel) -> Side:
    return Side(
        nn.Sequential(
            nn.Linear(embedding_width, config.slots * config.width),
            nn.Unflatten(1, (config.slots, config.width)),
            nn.LayerNorm(config.width),
        ),
        embedding_width,
    )


HEADS: Mapping[str, type[GatedHead] | type[CrossAttentionHead] | type[StackingHead]] = {
    "gated": GatedHead,
    "cross_attention": CrossAttentionHead,
    "stacking": StackingHead,
}


def build_head(config: FusionModel, *, text_width: int, graph_width: int) -> FusionHead:
    """Return an untrained head of the kind that the config names.

    Args:
        text_width: Of the text model's embeddings.
        graph_width: Of the graph model's.
    """
    return HEADS[config.head](config, text_width=text_width, graph_width=graph_width)
