"""The plan of training: which functions each optimizer step sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellgate.contract.configs import TrainingConfig
from trainers.engine.class_balance import EVEN, balanced_rounds, class_weights, starting_shares
from trainers.engine.task import Rows, Task

# Of the epoch whose steps stand for all: how many there are hardly depends on the order.
COUNTED_SEED = 0


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What a training run, or a range test, draws its steps from.

    Args:
        rows: To train on.
        labels: By row of the data set, 0 or 1.
        pairs: By row of the data set; null when nothing must stay together.
    """

    task: Task
    rows: Rows
    labels: npt.NDArray[np.int64]
    config: TrainingConfig
    pairs: Sequence[str | None] | None = None

    @property
    def class_weights(self) -> tuple[float, float]:
        """What the loss of a function of each class is multiplied by."""
        return class_weights(self.labels[self.rows]) if self.config.class_balance == "weights" else EVEN

    @property
    def chance_losses(self) -> npt.NDArray[np.float64]:
        """The loss of a function of each class, (2,), where every verdict is the prevalence that is trained on."""
        shares = starting_shares(self.labels[self.rows], self.config)
        return -np.log(np.maximum(shares, np.finfo(np.float64).tiny)) * self.class_weights

    def expected_steps(self) -> int:
        """Return how many optimizer steps training has at most; the same for every seed."""
        of_epoch = len(self.steps(np.random.default_rng([COUNTED_SEED, 0])))
        planned = of_epoch * self.config.epochs
        return min(planned, self.config.max_steps or planned)

    def steps(self, rng: np.random.Generator) -> list[list[Rows]]:
        """Return an epoch's steps, each a list of batches: a function of the plan and `rng` alone."""
        batches = [batch for rows in self._rounds(rng) for batch in self.task.plan_epoch(rows, rng)]
        size = self.config.accumulation
        return [batches[first : first + size] for first in range(0, len(batches), size)]

    def _rounds(self, rng: np.random.Generator) -> list[Rows]:
        if self.config.class_balance != "sampling":
            return [self.rows]
        together = self.pairs is not None and self.config.keep_pairs_together
        pairs = [self.pairs[row] for row in self.rows.tolist()] if self.pairs is not None and together else None
        return balanced_rounds(self.rows, self.labels[self.rows], rng, pairs=pairs)
