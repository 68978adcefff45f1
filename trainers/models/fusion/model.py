"""The base of every fusion head: two models' outputs go in, the ensemble's log-odds plus a correction come out."""

# Shapes: B functions in the batch, T width of the text embedding, G width of the graph embedding, D width of the
# head, V verdicts, C classes (2).
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from cellgate.contract.configs import FusionModel
from trainers.engine.task import Prediction

# Confident models reach log-odds of 10 and more: at full size they would drown the projections.
LOG_ODDS_SCALE = 4.0


@dataclass(frozen=True, kw_only=True)
class FusionBatch:
    """The outputs of the two models for B functions.

    Args:
        text_BT: The text model's pooled embeddings, float32.
        graph_BG: The graph model's.
        text_log_odds_B: Calibrated log-odds of "vulnerable".
        graph_log_odds_B: Likewise.
        ensemble_log_odds_B: Of the weighted mean of the two probabilities.
        graph_missing_B: Whether nothing of the function was parsed, so that its graph carries no information; bool.
    """

    text_BT: Tensor
    graph_BG: Tensor
    text_log_odds_B: Tensor
    graph_log_odds_B: Tensor
    ensemble_log_odds_B: Tensor
    graph_missing_B: Tensor

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        return type(self)(**{name: tensor.to(device) for name, tensor in vars(self).items()})


class Side(nn.Module):
    """One model's embeddings as the head takes them: projected, and where hidden, replaced by a learned vector.

    Args:
        project: Takes embeddings of `width`.
    """

    def __init__(self, project: nn.Module, width: int) -> None:
        super().__init__()
        # Zero is neutral, and takes nothing from the random generator; frozen, as most data needs it nowhere.
        self.missing = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.project = project

    def forward(self, embedding_BW: Tensor, hidden_B: Tensor) -> Tensor:
        """Return the projections, (B, D), or (B, S, D) where an embedding is split into S slots."""
        projected: Tensor = self.project(torch.where(hidden_B.unsqueeze(1), self.missing, embedding_BW))
        return projected


class FusionHead(nn.Module, ABC):
    """Log-odds of the ensemble plus a learned correction that starts at exactly zero.

    logits = (0, ensemble + w · hidden + b), with w and b zero at the start. A kind of head defines its hidden layer
    is made of.

    Source:
        Zero start of what is added: Fixup, Zhang et al. 2019, arXiv 1901.09321, section 3.
        Hiding one model's embedding in training: ModDrop, Neverova et al. 2015, arXiv 1501.00102, section 3.3.
    """

    correction: nn.Linear

    def __init__(self, config: FusionModel) -> None:
        super().__init__()
        self.modality_dropout = config.modality_dropout
        self.dropout = nn.Dropout(config.dropout)

    @property
    def sides(self) -> Mapping[str, Side]:
        """What takes each model's embeddings, by the model's name; nothing where the head reads verdicts alone."""
        return {}

    @abstractmethod
    def hidden(self, batch: FusionBatch, *, hide_text_B: Tensor, hide_graph_B: Tensor) -> Tensor:
        """Return the hidden layer, (B, D); an embedding that is hidden must not reach it.

        Args:
            batch: Embeddings and calibrated log-odds of both models.
            hide_text_B: Bool, True where the text embedding must not be used.
            hide_graph_B: Bool, True where the graph embedding must not be used.
        """

    @property
    def components(self) -> dict[str, list[nn.Parameter]]:
        """What learns of each side, and of the rest as `head`."""
        sides = {name: list(side.parameters()) for name, side in self.sides.items()}
        inside = {id(parameter) for members in sides.values() for parameter in members}
        parts = sides | {"head": [parameter for parameter in self.parameters() if id(parameter) not in inside]}
        return {name: [p for p in members if p.requires_grad] for name, members in parts.items()}

    def forget(self) -> None:
        """Reset the correction to zero: the head is the ensemble again."""
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def learn_missing(self, *, graphs_missing: bool) -> None:
        """Let the vectors for missing embeddings learn, where training ever uses them.

        Args:
            graphs_missing: Whether a function to learn from has no graph.
        """
        for name, side in self.sides.items():
            side.missing.requires_grad_(self.modality_dropout > 0 or (graphs_missing and name == "gnn"))

    def forward(self, batch: FusionBatch) -> Prediction:
        """Return logits (B, C), their difference being the log-odds, and the hidden layer (B, D)."""
        hide_text_B, hide_graph_B = self._hide(batch.graph_missing_B)
        hidden_BD = self.hidden(batch, hide_text_B=hide_text_B, hide_graph_B=hide_graph_B)
        log_odds_B = batch.ensemble_log_odds_B + self.correction(self.dropout(hidden_BD)).squeeze(1)
        return Prediction(
            logits_BC=torch.stack([torch.zeros_like(log_odds_B), log_odds_B], dim=1), embedding_BD=hidden_BD
        )

    def _hide(self, graph_missing_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return whose text and whose graph embedding is hidden, bool, (B,) each; never both of one function."""
        chance = self.modality_dropout
        if not self.training or chance == 0:
            return torch.zeros_like(graph_missing_B), graph_missing_B
        # One draw for both: below the chance it hides the text, up to twice the chance the graph.
        draw_B = torch.rand(graph_missing_B.shape, device=graph_missing_B.device)
        hide_text_B = (draw_B < chance) & ~graph_missing_B
        hide_graph_B = ((draw_B >= chance) & (draw_B < 2 * chance)) | graph_missing_B
        return hide_text_B, hide_graph_B


def verdicts(batch: FusionBatch) -> Tensor:
    """Return the verdicts of the two models, each in -1 to 1, and whether they agree, (B, 3)."""
    text_B = torch.tanh(batch.text_log_odds_B / LOG_ODDS_SCALE)
    graph_B = torch.tanh(batch.graph_log_odds_B / LOG_ODDS_SCALE)
    return torch.stack([text_B, graph_B, text_B * graph_B], dim=1)
