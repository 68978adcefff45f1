"""The models of all seeds of a bundle, asked together: the mean of their probabilities."""

# Shapes: F functions, S seeds.
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cellgate.contract.bundle import Member
from trainers.bundle.models import Functions
from trainers.bundle.scorer import Scored, Scorer, open_scorer
from trainers.evaluation.ensemble import log_odds_of_mean


class Seeds:
    """What all seeds together say of functions.

    Args:
        scorers: One for each seed, at least one.
    """

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self._scorers = tuple(scorers)

    @classmethod
    def load(cls, folder: Path, members: Sequence[Member], *, text_weight: float | None) -> "Seeds":
        """Load the models of every seed from a bundle's folder.

        Args:
            text_weight: Of the text model in an ensemble; null where there is none.

        Raises:
            DataError: A model is missing or damaged, or reads graphs that cannot be made from source.
            SpecError: A text model cannot be loaded.
        """
        return cls([open_scorer(folder, member, text_weight=text_weight) for member in members])

    @property
    def read_graphs(self) -> bool:
        """Whether any model reads graphs."""
        return any(scorer.graph is not None for scorer in self._scorers)

    def score(self, functions: Functions) -> Scored:
        """Return the log-odds of the mean probability, and whether any text model does not read all of a function."""
        of_seeds = [scorer.score(functions) for scorer in self._scorers]
        return Scored(
            log_odds_F=log_odds_of_mean(np.stack([one.log_odds_F for one in of_seeds])),
            truncated_F=np.any([one.truncated_F for one in of_seeds], axis=0),
        )
