"""The fusion head: what two frozen models' embeddings add to the ensemble of their verdicts."""

# Shapes: B functions in the batch, T width of the text embedding, G width of the graph embedding, D width of the
# projections, C classes (2).
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from trainers.engine.task import Prediction
from trainers.specs import FusionModel

# Confident models reach log-odds of 10 and more: at full size they would drown the projections.
LOG_ODDS_SCALE = 4.0
VERDICTS = 3


@dataclass(frozen=True, kw_only=True)
class FusionBatch:
    """What the frozen models said of B functions.

    Args:
        text_BT: The text model's pooled embeddings, float32.
        graph_BG: The graph model's.
        text_log_odds_B: Calibrated log-odds of "vulnerable".
        graph_log_odds_B: Likewise.
        ensemble_log_odds_B: Of the weighted mean of the two probabilities.
    """

    text_BT: Tensor
    graph_BG: Tensor
    text_log_odds_B: Tensor
    graph_log_odds_B: Tensor
    ensemble_log_odds_B: Tensor

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        return type(self)(**{name: tensor.to(device) for name, tensor in vars(self).items()})


class FusionHead(nn.Module):
    """Log-odds of the ensemble plus a learned correction that starts at exactly zero.

    u = LN(P_t x_t), v = LN(P_g x_g), g = sigmoid(W_g [u; v]);
    correction = MLP([g * u * v; (1 - g) * |u - v|; verdicts]); logits = (0, ensemble + correction).
    The verdicts are the two models' squashed log-odds and their product. The MLP's last layer is zero at the start.

    Source:
        Product and difference of two embeddings: InferSent, Conneau et al. 2017, arXiv 1705.02364, section 3.1.
        Zero start of what is added: Fixup, Zhang et al. 2019, arXiv 1901.09321, section 3.
    """

    def __init__(self, config: FusionModel, *, text_width: int, graph_width: int) -> None:
        super().__init__()
        width = config.width
        self.text = nn.Sequential(nn.Linear(text_width, width), nn.LayerNorm(width))
        self.graph = nn.Sequential(nn.Linear(graph_width, width), nn.LayerNorm(width))
        self.gate = nn.Linear(2 * width, width)
        self.hidden = nn.Linear(2 * width + VERDICTS, width)
        self.dropout = nn.Dropout(config.dropout)
        self.correction = nn.Linear(width, 1)
        self.forget()

    def forget(self) -> None:
        """Make the correction zero, whatever was learned: the head is the ensemble."""
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, batch: FusionBatch) -> Prediction:
        """Return logits (B, C), their difference being the log-odds, and the hidden layer (B, D)."""
        text_BD = self.dropout(self.text(batch.text_BT))
        graph_BD = self.dropout(self.graph(batch.graph_BG))
        gate_BD = torch.sigmoid(self.gate(torch.cat([text_BD, graph_BD], dim=1)))
        joined = [gate_BD * text_BD * graph_BD, (1 - gate_BD) * (text_BD - graph_BD).abs(), _verdicts(batch)]
        hidden_BD = torch.nn.functional.gelu(self.hidden(torch.cat(joined, dim=1)))
        log_odds_B = batch.ensemble_log_odds_B + self.correction(self.dropout(hidden_BD)).squeeze(1)
        return Prediction(
            logits_BC=torch.stack([torch.zeros_like(log_odds_B), log_odds_B], dim=1), embedding_BD=hidden_BD
        )


def _verdicts(batch: FusionBatch) -> Tensor:
    """Return what the two models say, each in -1 to 1, and whether they agree, (B, 3)."""
    text_B = torch.tanh(batch.text_log_odds_B / LOG_ODDS_SCALE)
    graph_B = torch.tanh(batch.graph_log_odds_B / LOG_ODDS_SCALE)
    return torch.stack([text_B, graph_B, text_B * graph_B], dim=1)
