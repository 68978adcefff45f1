"""Everything that could be shipped, per seed, and the slices of functions that it is measured on."""

# Shapes: R rows of a split.
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split
from cellgate.contract.options import Option
from cellgate.contract.results import Metrics
from trainers.data.dataset import Dataset
from trainers.engine.calibration import FitTemperature, fit_temperature
from trainers.engine.metrics import Floats, Integers, best_threshold, compute_metrics, margins, sigmoid
from trainers.evaluation.ensemble import ensemble_log_odds, temperature_of, tune_text_weight
from trainers.evaluation.finished_runs import FinishedRun, read_joined

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
        temperature: What an ensemble's log-odds were divided by; null where they were not.
        fit: Fitted that temperature, and fits that of several seeds.
    """

    option: Option
    seeds: tuple[int, ...]
    log_odds: Mapping[Split, Floats]
    threshold: float
    text_weight: float | None = None
    temperature: float | None = None
    fit: FitTemperature = fit_temperature

    def predicted(self, split: Split) -> NDArray[np.bool_]:
        """Return whether each row is called vulnerable, (R,)."""
        return sigmoid(self.log_odds[split]) >= self.threshold

    def metrics(self, split: Split, labels_R: Integers, pairs: Sequence[str | None] | None = None) -> Metrics:
        """Return the scores on one split.

        Args:
            labels_R: Of the split's rows, 0 or 1.
            pairs: The pair of each row, if any; without them there are no scores of pairs.
        """
        log_odds_R = self.log_odds[split]
        logits_RC = np.stack([np.zeros_like(log_odds_R), log_odds_R], axis=1)
        return compute_metrics(labels_R, logits_RC, threshold=self.threshold, temperature=1.0, pairs=pairs)


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


@dataclass(frozen=True, kw_only=True)
class SeedLogOdds:
    """Everything that an option of one seed is made of.

    Args:
        text: Calibrated log-odds of the text model, by split, each (R,).
        graph: Those of the graph model.
        fused: Those of fusion; None where the seed has no fusion.
        linear: Those of the linear model that the text model is mixed with, not calibrated; None where there is none.
        labels: Labels of dev and fuse, each (R,).
        text_weight: Of the text model in the fixed ensemble, 0 to 1.
        calibrated: Whether ensembles have a temperature of their own; those of older evidence had none.
        fit: Fits temperatures.
    """

    runs: SeedRuns
    text: Mapping[Split, Floats]
    graph: Mapping[Split, Floats]
    fused: Mapping[Split, Floats] | None
    linear: Mapping[Split, Floats] | None
    labels: Mapping[Split, Integers]
    text_weight: float
    calibrated: bool = True
    fit: FitTemperature = fit_temperature


def _transformer(scores: SeedLogOdds) -> Candidate:
    run = scores.runs.transformer
    return Candidate(option="transformer", seeds=(run.seed,), log_odds=scores.text, threshold=run.threshold)


def _gnn(scores: SeedLogOdds) -> Candidate:
    run = scores.runs.gnn
    return Candidate(option="gnn", seeds=(run.seed,), log_odds=scores.graph, threshold=run.threshold)


def _fixed_ensemble(scores: SeedLogOdds) -> Candidate:
    return _ensemble("ensemble", scores, weight=scores.text_weight)


def _tuned_ensemble(scores: SeedLogOdds) -> Candidate:
    weight = tune_text_weight(scores.labels[Split.FUSE], scores.text[Split.FUSE], scores.graph[Split.FUSE])
    return _ensemble("ensemble_tuned", scores, weight=weight)


def _fusion(scores: SeedLogOdds) -> Candidate | None:
    run = scores.runs.fusion
    if run is None or scores.fused is None:
        return None
    return Candidate(option="fusion", seeds=(run.seed,), log_odds=scores.fused, threshold=run.threshold)


def _linear(scores: SeedLogOdds) -> Candidate | None:
    if scores.linear is None:
        return None
    labels_R = scores.labels[Split.DEV]
    temperature = temperature_of(labels_R, scores.linear[Split.DEV], fit=scores.fit)
    linear = {split: log_odds_R / temperature for split, log_odds_R in scores.linear.items()}
    threshold = best_threshold(labels_R, sigmoid(linear[Split.DEV]))
    return Candidate(option="linear", seeds=(scores.runs.seed,), log_odds=linear, threshold=threshold)


# One row per option; a function returns None where the seed lacks a model that the option needs.
CANDIDATES: Mapping[Option, Callable[[SeedLogOdds], Candidate | None]] = {
    "transformer": _transformer,
    "gnn": _gnn,
    "ensemble": _fixed_ensemble,
    "ensemble_tuned": _tuned_ensemble,
    "fusion": _fusion,
    "linear": _linear,
}


def read_candidates(
    seeds: Sequence[SeedRuns],
    *,
    dataset: Dataset,
    text_weight: float,
    calibrated: bool = True,
    fit: FitTemperature = fit_temperature,
) -> list[Candidate]:
    """Return every option of every seed, seed by seed.

    Thresholds and temperatures are fixed on dev, the tuned ensemble's weight on fuse.

    Args:
        seeds: The finished runs of each seed.
        dataset: The data set that all of them were trained on.
        text_weight: Of the text model in the fixed ensemble, 0 to 1.
        calibrated: Whether ensembles have a temperature of their own; those of older evidence had none.
        fit: Fits temperatures.

    Raises:
        DataError: Predictions do not belong to the data set; everything wrong in any of them is named.
    """
    wanted = [read for of_seed in seeds for read in of_seed.reads()]
    found_runs = dict(
        zip(((run.name, split) for run, split in wanted), read_joined(wanted, dataset=dataset), strict=True)
    )
    log_odds = {
        (run.name, split): margins(found_runs[run.name, split].logits_RC) / run.temperature for run, split in wanted
    }

    def of(run: FinishedRun) -> dict[Split, Floats]:
        return {split: found for (name, split), found in log_odds.items() if name == run.name}

    def linear_of(run: FinishedRun) -> dict[Split, Floats] | None:
        verdicts = {split: found_runs[run.name, split].linear_R for split in BASE_SPLITS}
        found = {split: linear_R.astype(np.float64) for split, linear_R in verdicts.items() if linear_R is not None}
        return found if len(found) == len(verdicts) else None

    linear = {runs.seed: linear_of(runs.transformer) for runs in seeds}
    # Seeds are compared one by one: what only some of them have is not weighed.
    everywhere = all(of_seed is not None for of_seed in linear.values())
    labels = {split: dataset.labels(dataset.rows(split)) for split in (Split.DEV, Split.FUSE)}
    candidates = []
    for runs in seeds:
        scores = SeedLogOdds(
            runs=runs,
            text=of(runs.transformer),
            graph=of(runs.gnn),
            fused=None if runs.fusion is None else of(runs.fusion),
            linear=linear[runs.seed] if everywhere else None,
            labels=labels,
            text_weight=text_weight,
            calibrated=calibrated,
            fit=fit,
        )
        candidates += [found for make in CANDIDATES.values() if (found := make(scores)) is not None]
    return candidates


def _ensemble(option: Option, scores: SeedLogOdds, *, weight: float) -> Candidate:
    mixed = {
        split: ensemble_log_odds(scores.text[split], scores.graph[split], text_weight=weight) for split in scores.text
    }
    labels_R = scores.labels[Split.DEV]
    temperature = temperature_of(labels_R, mixed[Split.DEV], fit=scores.fit) if scores.calibrated else None
    log_odds = {split: log_odds_R / (temperature or 1.0) for split, log_odds_R in mixed.items()}
    return Candidate(
        option=option,
        seeds=(scores.runs.seed,),
        log_odds=log_odds,
        threshold=best_threshold(labels_R, sigmoid(log_odds[Split.DEV])),
        text_weight=weight,
        temperature=temperature,
        fit=scores.fit,
    )


# The scores of a smaller slice mean nothing.
MIN_SLICE_ROWS = 5
SliceKind = Literal["cwe", "project"]


def rows_by_slice(dataset: Dataset, rows_R: NDArray[np.int64]) -> dict[SliceKind, dict[str, list[int]]]:
    """Return the places in `rows_R` of every weakness and every project that has enough of them.

    A function with several weaknesses, divided by commas, belongs to each.
    """
    values: dict[SliceKind, list[set[str]]] = {
        "cwe": [{name.strip() for name in (cwe or "").split(",")} for cwe in dataset.cwes(rows_R)],
        "project": [{project or ""} for project in dataset.projects(rows_R)],
    }
    return {kind: _places(names_R) for kind, names_R in values.items()}


def _places(names_R: list[set[str]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for row, names in enumerate(names_R):
        for name in names - {""}:
            places.setdefault(name, []).append(row)
    return {name: found for name, found in places.items() if len(found) >= MIN_SLICE_ROWS}
