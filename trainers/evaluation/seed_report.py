"""Cell 54's report: every option seed by seed, whom the models' errors belong to, and where they are."""

# Shapes: R rows of gate, M candidates (an option of one seed each), K seeds of one option or distinct scores.
import itertools
from collections.abc import Sequence

import numpy as np

from cellgate.contract.configs import Split
from cellgate.contract.evidence import Evidence
from cellgate.contract.options import Option
from cellgate.contract.report import (
    SCHEMA_VERSION,
    CurvePoint,
    HardFunction,
    HardFunctions,
    OptionReport,
    Overlap,
    ReliabilityBin,
    SeedReport,
    SeedScores,
    SharedErrors,
    SliceReport,
    SliceScores,
)
from trainers.data.dataset import Dataset
from trainers.engine.metrics import ECE_BINS, Floats, Integers, confusion, counts_by_score, sigmoid
from trainers.evaluation.deployment_candidates import dev_f1
from trainers.evaluation.options import Candidate, rows_by_slice
from trainers.evaluation.statistics import Booleans

# Of each kind of hard function, so many are named.
MAX_HARD = 20


def make_evaluation_report(candidates: Sequence[Candidate], *, dataset: Dataset, evidence: Evidence) -> SeedReport:
    """Return the report; the same inputs give the same bytes.

    Args:
        candidates: Every option of every seed; all options have the same seeds.
        evidence: Made of the same candidates.
    """
    gate = _Gate(candidates, dataset)
    options = [found.option for found in evidence.options]
    return SeedReport(
        schema_version=SCHEMA_VERSION,
        dataset_id=dataset.id,
        evidence=evidence,
        options=[gate.option(option) for option in options],
        overlaps=[gate.overlap(first, second) for first, second in itertools.combinations(options, 2)],
        slices=gate.slices(options),
        hard_functions=gate.hard_functions(options),
    )


class _Gate:
    """All candidates on the gate split."""

    def __init__(self, candidates: Sequence[Candidate], dataset: Dataset) -> None:
        self._candidates = candidates
        self._dataset = dataset
        self._rows_R = dataset.rows(Split.GATE)
        self._labels_R = dataset.labels(self._rows_R)
        self._positive_R = self._labels_R == 1
        self._pairs_R = dataset.pairs(self._rows_R)
        self._probability_RM = np.stack([sigmoid(one.log_odds[Split.GATE]) for one in candidates], axis=1)
        self._called_RM = np.stack([one.predicted(Split.GATE) for one in candidates], axis=1)
        self._wrong_RM: Booleans = self._called_RM != self._positive_R[:, np.newaxis]

    def _members(self, option: Option) -> list[int]:
        return [place for place, candidate in enumerate(self._candidates) if candidate.option == option]

    def option(self, option: Option) -> OptionReport:
        """Return one option, seed by seed."""
        members = self._members(option)
        probability_RK, called_RK = self._probability_RM[:, members], self._called_RM[:, members]
        bins = equal_mass_bins(np.tile(self._labels_R, len(members)), probability_RK.T.reshape(-1))
        return OptionReport(
            option=option,
            seeds=[self._scores(self._candidates[place]) for place in members],
            flip_rate=flip_rate(called_RK),
            unsteady=unsteady(called_RK),
            reliability=bins,
            calibration_error=calibration_error(bins),
            curves=[precision_recall_curve(self._labels_R, probability_R) for probability_R in probability_RK.T],
        )

    def _scores(self, candidate: Candidate) -> SeedScores:
        labels = {split: self._dataset.labels(self._dataset.rows(split)) for split in (Split.DEV, Split.TEST)}
        test_pairs = self._dataset.pairs(self._dataset.rows(Split.TEST))
        (seed,) = candidate.seeds
        return SeedScores(
            seed=seed,
            threshold=candidate.threshold,
            text_weight=candidate.text_weight,
            dev_f1=dev_f1(candidate, labels[Split.DEV]),
            gate=candidate.metrics(Split.GATE, self._labels_R, self._pairs_R),
            test=candidate.metrics(Split.TEST, labels[Split.TEST], test_pairs) if len(labels[Split.TEST]) else None,
        )

    def overlap(self, first: Option, second: Option) -> Overlap:
        """Return which errors two options share, seed by seed."""
        one_RK, other_RK = self._wrong_RM[:, self._members(first)], self._wrong_RM[:, self._members(second)]
        return Overlap(
            first=first,
            second=second,
            misses=_shared(one_RK[self._positive_R], other_RK[self._positive_R]),
            false_alarms=_shared(one_RK[~self._positive_R], other_RK[~self._positive_R]),
        )

    def slices(self, options: Sequence[Option]) -> list[SliceReport]:
        """Return every option's scores per weakness and per project."""
        return [
            SliceReport(
                slice=kind,
                value=value,
                rows=len(rows),
                positives=int(self._positive_R[rows].sum()),
                scores={option: self._slice_scores(option, rows) for option in options},
            )
            for kind, found in rows_by_slice(self._dataset, self._rows_R).items()
            for value, rows in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        ]

    def _slice_scores(self, option: Option, rows: list[int]) -> SliceScores:
        called_RK = self._called_RM[rows][:, self._members(option)]
        labels_RK = np.repeat(self._labels_R[rows][:, np.newaxis], called_RK.shape[1], axis=1)
        counts = confusion(labels_RK.reshape(-1), called_RK.reshape(-1))
        has_positives = bool(self._positive_R[rows].any())
        return SliceScores(
            accuracy=counts.accuracy,
            precision=counts.precision,
            recall=counts.recall if has_positives else None,
            f1=counts.f1 if has_positives else None,
        )

    def hard_functions(self, options: Sequence[Option]) -> HardFunctions:
        """Return the functions on which a base model errs in every seed."""
        text_RK, graph_RK = self._wrong_RM[:, self._members("transformer")], self._wrong_RM[:, self._members("gnn")]
        common_R: Booleans = np.all(text_RK, axis=1) & np.all(graph_RK, axis=1)
        text_right_R: Booleans = np.all(~text_RK, axis=1) & np.all(graph_RK, axis=1)
        graph_right_R: Booleans = np.all(text_RK, axis=1) & np.all(~graph_RK, axis=1)
        return HardFunctions(
            common=self._hardest(common_R, ["transformer", "gnn"], options),
            transformer_corrects=self._hardest(text_right_R, ["gnn"], options),
            gnn_corrects=self._hardest(graph_right_R, ["transformer"], options),
            common_total=int(common_R.sum()),
            transformer_corrects_total=int(text_right_R.sum()),
            gnn_corrects_total=int(graph_right_R.sum()),
        )

    def _hardest(self, chosen_R: Booleans, wrong: Sequence[Option], options: Sequence[Option]) -> list[HardFunction]:
        """Return the chosen functions on which those that are wrong are surest of it."""
        places = np.flatnonzero(chosen_R)
        members = [place for option in wrong for place in self._members(option)]
        probability_R = self._probability_RM[places][:, members].mean(axis=1)
        off_R = np.where(self._positive_R[places], 1 - probability_R, probability_R)
        hardest = places[np.argsort(-off_R, kind="stable")][:MAX_HARD].tolist()
        return [self._hard(place, options) for place in hardest]

    def _hard(self, place: int, options: Sequence[Option]) -> HardFunction:
        row = [int(self._rows_R[place])]
        return HardFunction(
            id=self._dataset.ids(row)[0],
            vulnerable=bool(self._positive_R[place]),
            project=self._dataset.projects(row)[0],
            cwe=self._dataset.cwes(row)[0],
            probability={
                option: float(self._probability_RM[place, self._members(option)].mean()) for option in options
            },
            wrong={option: int(self._wrong_RM[place, self._members(option)].sum()) for option in options},
        )


def flip_rate(called_RK: Booleans) -> float | None:
    """Return the share of rows that two seeds call differently, the mean over all pairs; null with one seed."""
    pairs = list(itertools.combinations(range(called_RK.shape[1]), 2))
    if not pairs:
        return None
    return float(np.mean([(called_RK[:, one] != called_RK[:, other]).mean() for one, other in pairs]))


def unsteady(called_RK: Booleans) -> float | None:
    """Return the share of rows that not all seeds call alike; null with one seed."""
    if called_RK.shape[1] < 2:
        return None
    return float((called_RK.any(axis=1) & ~called_RK.all(axis=1)).mean())


def _shared(one_RK: Booleans, other_RK: Booleans) -> SharedErrors:
    seeds = one_RK.shape[1]
    return SharedErrors(
        both=float((one_RK & other_RK).sum()) / seeds,
        only_first=float((one_RK & ~other_RK).sum()) / seeds,
        only_second=float((~one_RK & other_RK).sum()) / seeds,
    )


MAX_CURVE_POINTS = 100


def equal_mass_bins(labels_R: Integers, probability_R: Floats, *, bins: int = ECE_BINS) -> list[ReliabilityBin]:
    """Return bins of as many functions each as can be, by rising probability; fewer bins where there are fewer rows.

    Args:
        labels_R: 0 or 1.
        probability_R: Of the positive class, 0 to 1.
        bins: How many at most.

    Source:
        Nguyen and O'Connor 2015, arXiv 1508.05154, section 3 (adaptive binning).
    """
    order_R = np.argsort(probability_R, kind="stable")
    return [
        ReliabilityBin(
            rows=len(part),
            probability=float(probability_R[part].mean()),
            vulnerable=float((labels_R[part] == 1).mean()),
        )
        for part in np.array_split(order_R, min(bins, len(order_R)))
    ]


def calibration_error(bins: list[ReliabilityBin]) -> float:
    """Return the mean gap between probability and share, weighed by the bins' functions."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.probability - one.vulnerable) for one in bins) / rows


def precision_recall_curve(labels_R: Integers, probability_R: Floats) -> list[CurvePoint]:
    """Return precision and recall at thresholds that spread over recall, from the first true positive on.

    Each point is one that a threshold gives: between two of them nothing is interpolated.
    """
    threshold_K, tp_K, fp_K = counts_by_score(labels_R, probability_R)
    found = int(np.searchsorted(tp_K, 1.0))
    if found == len(tp_K):
        return []
    threshold_K, tp_K, fp_K = threshold_K[found:], tp_K[found:], fp_K[found:]
    recall_K, precision_K = tp_K / tp_K[-1], tp_K / (tp_K + fp_K)
    wanted = np.linspace(recall_K[0], 1.0, MAX_CURVE_POINTS)
    # Of equal recall the first has the highest precision.
    places = np.unique(np.searchsorted(recall_K, wanted, side="left").clip(max=len(recall_K) - 1))
    return [
        CurvePoint(threshold=float(threshold_K[k]), recall=float(recall_K[k]), precision=float(precision_K[k]))
        for k in places.tolist()
    ]
