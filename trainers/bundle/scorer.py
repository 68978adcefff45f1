"""The models of a bundle: one seed's joined as its kind demands, and the mean over the seeds."""

# Shapes: F functions.
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellgate.contract.bundle import Member
from trainers.bundle.contributions import Contributions, lines_of_nodes
from trainers.bundle.models import Functions, GraphModel, ModelOutputs, TextModel
from trainers.data.encoding import quality_names
from trainers.engine.metrics import Floats, margins
from trainers.evaluation.ensemble import ensemble_log_odds, log_odds_of_mean
from trainers.models.fusion.features import NOTHING_PARSED
from trainers.models.fusion.model import FusionBatch
from trainers.models.fusion.saving import SavedFusion, load_fusion
from trainers.models.linear.text import lines_of_parts


@dataclass(frozen=True, kw_only=True)
class Head:
    """A trained fusion head.

    Args:
        temperature: What its logits are divided by.
    """

    saved: SavedFusion
    temperature: float

    def log_odds(self, text: ModelOutputs, graph: ModelOutputs, qualities: list[str]) -> Floats:
        """Return its calibrated log-odds, (F,), from the outputs of the two models.

        Args:
            text: Outputs of the text model, F rows.
            graph: Outputs of the graph model, F rows.
            qualities: By function, how much of it the parser understood.
        """
        mixed_F = ensemble_log_odds(text.log_odds_F, graph.log_odds_F, text_weight=self.saved.config.text_weight)
        batch = FusionBatch(
            text_BT=torch.from_numpy(text.embeddings_FD),
            graph_BG=torch.from_numpy(graph.embeddings_FD),
            text_log_odds_B=_tensor(text.log_odds_F),
            graph_log_odds_B=_tensor(graph.log_odds_F),
            ensemble_log_odds_B=_tensor(mixed_F),
            graph_missing_B=torch.tensor([quality == NOTHING_PARSED for quality in qualities]),
        )
        with torch.inference_mode():
            logits_FC = self.saved.head(batch).logits_BC.numpy()
        return margins(logits_FC) / self.temperature


def _tensor(values_F: Floats) -> torch.Tensor:
    return torch.from_numpy(values_F.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The score of each function.

    Args:
        log_odds_F: Calibrated, of "vulnerable".
        truncated_F: Whether a text model does not read all of the function.
        contributions: Of every model, where they were asked for.
    """

    log_odds_F: Floats
    truncated_F: NDArray[np.bool_]
    contributions: Sequence[Contributions] = ()


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """The models of one seed, and how they are combined.

    Args:
        text: Null in a bundle of graph models.
        graph: Null in a bundle of text models.
        head: Joins both; null where the weighted mean does, or where there is one model.
        text_weight: Of the text model in the mean, or in the one that the head adds to.
    """

    text: TextModel | None
    graph: GraphModel | None
    head: Head | None
    text_weight: float

    def score(self, functions: Functions, *, contributions: bool = False) -> Scored:
        """Return the combined score of the models.

        Args:
            contributions: Also what each model's tokens and nodes add to its own log-odds.
        """
        models = [model for model in (self.text, self.graph) if model is not None]
        outputs = [model.predict(functions, contributions=contributions) for model in models]
        return Scored(
            log_odds_F=self._joined(outputs, functions),
            truncated_F=outputs[0].truncated_F,
            contributions=self._contributions(outputs, functions.max_nodes) if contributions else (),
        )

    def _contributions(self, outputs: list[ModelOutputs], max_nodes: int) -> list[Contributions]:
        found = []
        if self.text is not None:
            weight, of_F, linear_F = self.text_weight, outputs[0].contributions_F, outputs[0].linear_F
            found.append(Contributions(weight=weight, of_F=of_F, lines=self.text.lines))
            if linear_F:
                found.append(Contributions(weight=weight, of_F=linear_F, lines=lines_of_parts))
        if self.graph is not None:
            weight, of_F = (1.0 if self.text is None else 1 - self.text_weight), outputs[-1].contributions_F
            lines = partial(lines_of_nodes, max_nodes=max_nodes)
            found.append(Contributions(weight=weight, of_F=of_F, lines=lines))
            if outputs[-1].linear_F:
                found.append(Contributions(weight=weight, of_F=outputs[-1].linear_F, lines=lines))
        return found

    def _joined(self, outputs: list[ModelOutputs], functions: Functions) -> Floats:
        if len(outputs) == 1:
            return outputs[0].log_odds_F
        text, graph = outputs
        if self.head is None or functions.graphs is None:
            return ensemble_log_odds(text.log_odds_F, graph.log_odds_F, text_weight=self.text_weight)
        return self.head.log_odds(text, graph, quality_names(functions.graphs))


def open_scorer(folder: Path, member: Member, *, text_weight: float | None) -> Scorer:
    """Load the models of one seed.

    Args:
        folder: The bundle's.
        text_weight: Of the text model in an ensemble; null where there is none.

    Raises:
        DataError: A model is missing or damaged, or reads graphs that cannot be made from source.
        SpecError: A text model cannot be loaded.
    """
    head = None
    if member.fusion is not None:
        saved = load_fusion(folder / member.fusion.folder)
        head = Head(saved=saved, temperature=member.fusion.temperature)
    # Models that learned with the head were loaded with it.
    loaded: dict[str, Any] = {} if head is None else head.saved.bases
    text, graph = member.transformer, member.gnn
    return Scorer(
        text=None
        if text is None
        else TextModel.load(folder / text.folder, temperature=text.temperature, model=loaded.get("transformer")),
        graph=None
        if graph is None
        else GraphModel.load(folder / graph.folder, temperature=graph.temperature, model=loaded.get("gnn")),
        head=head,
        text_weight=_text_weight(head, text_weight),
    )


def _text_weight(head: Head | None, text_weight: float | None) -> float:
    if head is not None:
        return head.saved.config.text_weight
    return 1.0 if text_weight is None else text_weight


class SeedScorers:
    """The models of all seeds, whose probabilities are averaged.

    Args:
        scorers: One for each seed, at least one.
        temperature: What the log-odds of an ensemble's mean are divided by; None where they are not.
    """

    def __init__(self, scorers: Sequence[Scorer], *, temperature: float | None = None) -> None:
        self._scorers = tuple(scorers)
        self._temperature = 1.0 if temperature is None else temperature

    @classmethod
    def load(
        cls, folder: Path, members: Sequence[Member], *, text_weight: float | None, temperature: float | None
    ) -> "SeedScorers":
        """Load the models of every seed from a bundle's folder.

        Args:
            text_weight: Of the text model in an ensemble; null where there is none.
            temperature: Of an ensemble; null where there is none, and in bundles of older releases.

        Raises:
            DataError: A model is missing or damaged, or reads graphs that cannot be made from source.
            SpecError: A text model cannot be loaded.
        """
        scorers = [open_scorer(folder, member, text_weight=text_weight) for member in members]
        return cls(scorers, temperature=temperature)

    @property
    def read_graphs(self) -> bool:
        """Whether any model reads graphs."""
        return any(scorer.graph is not None for scorer in self._scorers)

    def score(self, functions: Functions, *, contributions: bool = False) -> Scored:
        """Return the log-odds of the mean probability, and whether any text model does not read all of a function.

        Args:
            contributions: Also what the tokens and nodes of each seed's models add to their own log-odds.
        """
        of_seeds = [scorer.score(functions, contributions=contributions) for scorer in self._scorers]
        return Scored(
            log_odds_F=log_odds_of_mean(np.stack([one.log_odds_F for one in of_seeds])) / self._temperature,
            truncated_F=np.any([one.truncated_F for one in of_seeds], axis=0),
            contributions=[model for one in of_seeds for model in one.contributions],
        )
