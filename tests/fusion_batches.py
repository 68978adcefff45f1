"""Small fusion heads and plausible outputs of two models, for their tests."""

from typing import Any

import torch

from cellgate.contract.configs import FusionModel
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.model import FusionBatch, FusionHead

HEADS = ["gated", "cross_attention", "stacking"]
TEXT_WIDTH, GRAPH_WIDTH = 6, 5


def head_of(kind: str, **changes: Any) -> FusionHead:
    """An untrained head without dropout."""
    torch.manual_seed(0)
    config = FusionModel.model_validate({"head": kind, "width": 8, "slots": 3, "dropout": 0.0, **changes})
    return build_head(config, text_width=TEXT_WIDTH, graph_width=GRAPH_WIDTH)


def trained_head(kind: str, **changes: Any) -> FusionHead:
    """A head whose correction is no longer zero, in evaluation mode."""
    head = head_of(kind, **changes)
    with torch.no_grad():
        # Not all the same: after a layer norm the mean says nothing.
        head.correction.weight.copy_(torch.linspace(-0.5, 1.0, head.correction.in_features))
    return head.eval()


def random_batch(functions: int = 7, *, missing: tuple[int, ...] = ()) -> FusionBatch:
    """The outputs of two models for some functions.

    Args:
        missing: Places of those that have no graph.
    """
    generator = torch.Generator().manual_seed(0)
    graph_missing_B = torch.zeros(functions, dtype=torch.bool)
    graph_missing_B[list(missing)] = True
    return FusionBatch(
        text_BT=torch.randn(functions, TEXT_WIDTH, generator=generator),
        graph_BG=torch.randn(functions, GRAPH_WIDTH, generator=generator),
        text_log_odds_B=torch.randn(functions, generator=generator) * 3,
        graph_log_odds_B=torch.randn(functions, generator=generator) * 3,
        ensemble_log_odds_B=torch.randn(functions, generator=generator) * 3,
        graph_missing_B=graph_missing_B,
    )
