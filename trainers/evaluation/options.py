"""Everything that could be shipped, per seed: single models, both ensembles, fusion."""

# Shapes: R rows of a split.
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split
from cellgate.contract.evidence import Option
from cellgate.contract.results import Metrics
from trainers.data.dataset import Dataset
from trainers.engine.metrics import best_threshold, compute_metrics, margins, sigmoid
from trainers.evaluation.ensemble import ensemble_log_odds, tune_text_weight
from trainers.evaluation.finished_runs import FinishedRun, read_joined

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BASE_SPLITS = (Split.DEV, Split.FUSE, Split.GATE, Split.TEST)
FUSION_SPLITS = (Split.DEV, Split.GATE, Split.TEST)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One option of one seed, or of several together, with everything fixed before gate and test are looked at.

    Args:
        seeds: Of several, the mean of their probabilities counts.
        log_odds: Calibrated, of every row of dev, gate and test; of the base models and ensembles of fuse too.
        threshold: On the probability; at or above it is "vulnerable".
        text_weight: Of an ensemble; null otherwise.
    """

    option: Option
    seeds: tuple[int, ...]
    log_odds: Mapping[Split, Floats]
    threshold: float
    text_weight: float | None = None

    def predicted(self, split: Split) -> NDArray[np.bool_]:
        """Return whether each row is called vulnerable, (R,)."""
        return sigmoid(self.log_odds[split]) >= self.threshold

    def metrics(self, split: Split, labels_R: Integers) -> Metrics:
        """Return the scores on one split."""
        log_odds_R = self.log_odds[split]
        logits_RC = np.stack([np.zeros_like(log_odds_R), log_odds_R], axis=1)
        return compute_metrics(labels_R, logits_RC, threshold=self.threshold, temperature=1.0)


@dataclass(frozen=True, kw_only=True)
class SeedRuns:
    """The finished runs of one seed; fusion may be absent."""

    seed: int
    transformer: FinishedRun
    gnn: FinishedRun
    fusion: FinishedRun | None

    def reads(self) -> list[tuple[FinishedRun, Split]]:
        """Return which predictions are read: where something is fixed, and where it is judged."""
        read = [(run, split) for run in (self.transformer, self.gnn) for split in BASE_SPLITS]
        return read if self.fusion is None else [*read, *((self.fusion, split) for split in FUSION_SPLITS)]


def read_candidates(seeds: Sequence[SeedRuns], *, dataset: Dataset, text_weight: float) -> list[Candidate]:
    """Return every option of every seed, seed by seed.

    Thresholds are fixed on dev, the tuned ensemble's weight on fuse.

    Args:
        text_weight: Of the fixed ensemble.

    Raises:
        DataError: Predictions do not belong to the data set; everything wrong in any of them is named.
    """
    wanted = [read for of_seed in seeds for read in of_seed.reads()]
    log_odds = {
        (run.name, split): margins(predictions.logits_RC) / run.temperature
        for (run, split), predictions in zip(wanted, read_joined(wanted, dataset=dataset), strict=True)
    }

    def of(run: FinishedRun) -> dict[Split, Floats]:
        return {split: found for (name, split), found in log_odds.items() if name == run.name}

    labels = {split: dataset.labels(dataset.rows(split)) for split in (Split.DEV, Split.FUSE)}
    candidates = []
    for runs in seeds:
        text, graph = of(runs.transformer), of(runs.gnn)
        tuned = tune_text_weight(labels[Split.FUSE], text[Split.FUSE], graph[Split.FUSE])
        candidates += [
            Candidate(option="transformer", seeds=(runs.seed,), log_odds=text, threshold=runs.transformer.threshold),
            Candidate(option="gnn", seeds=(runs.seed,), log_odds=graph, threshold=runs.gnn.threshold),
            _ensemble("ensemble", runs.seed, text, graph, weight=text_weight, labels=labels),
            _ensemble("ensemble_tuned", runs.seed, text, graph, weight=tuned, labels=labels),
        ]
        if runs.fusion is not None:
            threshold = runs.fusion.threshold
            fused = of(runs.fusion)
            candidates.append(Candidate(option="fusion", seeds=(runs.seed,), log_odds=fused, threshold=threshold))
    return candidates


def _ensemble(
    option: Option,
    seed: int,
    text: Mapping[Split, Floats],
    graph: Mapping[Split, Floats],
    *,
    weight: float,
    labels: Mapping[Split, Integers],
) -> Candidate:
    mixed = {split: ensemble_log_odds(text[split], graph[split], text_weight=weight) for split in text}
    threshold = best_threshold(labels[Split.DEV], sigmoid(mixed[Split.DEV]))
    return Candidate(option=option, seeds=(seed,), log_odds=mixed, threshold=threshold, text_weight=weight)
