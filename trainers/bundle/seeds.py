"""The models of all seeds of a bundle, asked together: the mean of their probabilities."""

# Shapes: F functions, S seeds.
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainers.aggregation.ensemble import log_odds_of_mean
from trainers.bundle.manifest import Member
from trainers.bundle.models import Floats, Functions
from trainers.bundle.scorer import Scorer, open_scorer


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

    def log_odds(self, functions: Functions) -> Floats:
        """Return the log-odds of the mean probability of "vulnerable", (F,)."""
        return log_odds_of_mean(np.stack([scorer.log_odds(functions) for scorer in self._scorers]))

    def text_truncated(self, functions: Functions) -> list[bool]:
        """Return for each function whether a text model does not read all of it."""
        truncated_F = np.zeros(len(functions.sources), dtype=bool)
        for scorer in self._scorers:
            if scorer.text is not None:
                truncated_F |= scorer.text.truncated(functions)
        return [bool(truncated) for truncated in truncated_F]
