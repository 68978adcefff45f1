"""Judge a bundle, or the scores of any detector, on a data set that it was not trained on."""

# Shapes: R rows that are judged, C classes.
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import AggregationConfig, Split
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.evidence import Interval, KindEvidence
from cellgate.contract.files import sha256_of_file
from cellgate.contract.results import Evaluation, Metrics, RunResult, SinceCutoff
from cellgate.contract.specs import EvaluateSpec
from trainers.bundle.bundle import CHUNK, Bundle
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.metrics import Floats, compute_metrics
from trainers.engine.pairs import whole_pairs
from trainers.engine.progress import StepProgress
from trainers.engine.run_folder import result_header, write_result
from trainers.evaluation.evidence import read_baselines
from trainers.evaluation.options import rows_by_slice
from trainers.evaluation.overlap import measure_overlap
from trainers.evaluation.pair_evidence import PairScores
from trainers.evaluation.score_files import read_scores
from trainers.evaluation.statistics import Resampled

JUDGED = (Split.GATE, Split.TEST)
# The only model.
ONE = (0,)
# Where a file of scores names no threshold.
THRESHOLD = 0.5
# A probability of exactly 0 or 1 has no log-odds.
LEAST = 1e-9


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """Probabilities of the judged rows, (R,), with the threshold and what gave them."""

    probability_R: Floats
    threshold: float
    detector: str


def run(spec: EvaluateSpec, context: RunContext) -> RunResult:
    """Score the functions of gate and test and leave the evaluation in the result.

    Raises:
        DataError: The data set has neither split, the bundle is damaged, or the scores do not cover the functions.
        SpecError: A text model cannot be loaded by this version of its library.
        InterruptedRun: A stop was requested.
    """
    dataset = Dataset.open(spec.dataset)
    rows_R = np.sort(np.concatenate([dataset.rows(split) for split in JUDGED]))
    if not len(rows_R):
        problem = InputError(where="/dataset", found="no function in gate or test", expected="some to judge by")
        raise DataError("there is nothing to evaluate on", [problem])
    with context.phase("score"):
        if spec.scores is not None:
            scored = _from_file(spec.scores, spec.threshold, dataset.ids(rows_R))
        else:
            bundle = Bundle.open(spec.bundle or Path())
            scored = _from_bundle(bundle, spec.threshold, dataset.sources(rows_R), context)
    with context.phase("evaluate"):
        evaluation = _evaluate(spec, dataset, rows_R, scored)
    header = result_header(spec, context, cell=spec.cell, dataset_id=dataset.id)
    return write_result(RunResult(**header, artifacts={}, evaluation=evaluation), context)


def _from_file(path: Path, threshold: float | None, ids: Sequence[str]) -> _Scored:
    return _Scored(
        probability_R=read_scores(path, ids),
        threshold=THRESHOLD if threshold is None else threshold,
        detector=sha256_of_file(path),
    )


def _from_bundle(bundle: Bundle, threshold: float | None, sources: Sequence[str], context: RunContext) -> _Scored:
    progress = StepProgress(context.events, total=len(sources))
    probabilities: list[float] = []
    for first in range(0, len(sources), CHUNK):
        context.raise_if_stopped()
        progress.report(first)
        part = bundle.predict(sources[first : first + CHUNK], explain="none")
        probabilities += [verdict.probability for verdict in part]
    progress.report(len(sources))
    return _Scored(
        probability_R=np.array(probabilities),
        threshold=bundle.manifest.threshold if threshold is None else threshold,
        detector=bundle.manifest.id,
    )


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Functions with what is known and said of them: all that are judged, or some.

    Args:
        labels_R: 0 or 1.
        probability_R: As the detector gives it.
        threshold: At or above it a function is called vulnerable.
        group_R: Name of each row's group.
        pairs: The pair of each row, if any.
    """

    labels_R: NDArray[np.int64]
    probability_R: Floats
    threshold: float
    group_R: NDArray[np.int64]
    pairs: Sequence[str | None]

    @property
    def called_R1(self) -> NDArray[np.bool_]:
        """Whether each function is called vulnerable, (R, 1)."""
        return (self.probability_R >= self.threshold)[:, np.newaxis]

    @property
    def numbered_R(self) -> NDArray[np.int64]:
        """The number of each row's group, from 0."""
        return np.unique(self.group_R, return_inverse=True)[1].astype(np.int64)

    def only(self, chosen_R: NDArray[np.bool_]) -> "_Judged":
        """Return the chosen functions."""
        pairs = [pair for pair, chosen in zip(self.pairs, chosen_R, strict=True) if chosen]
        kept = {name: getattr(self, name)[chosen_R] for name in ("labels_R", "probability_R", "group_R")}
        return replace(self, **kept, pairs=pairs)

    def metrics(self) -> Metrics:
        """Return the scores; at least one function."""
        clipped_R = np.clip(self.probability_R, LEAST, 1 - LEAST)
        # Called by the probability as it was given: through log-odds one at the threshold may fall below it.
        logits_RC = np.stack([np.log1p(-clipped_R), np.log(clipped_R)], axis=1)
        return compute_metrics(
            self.labels_R, logits_RC, threshold=self.threshold - LEAST, temperature=1.0, pairs=self.pairs
        )

    def f1_interval(self, config: AggregationConfig) -> Interval:
        """Return the interval of F1; at least one function."""
        resampled = Resampled.of_f1(
            self.labels_R,
            self.called_R1,
            self.numbered_R,
            resamples=config.resamples,
            seed=config.bootstrap_seed,
            confidence=config.confidence,
        )
        return resampled.interval(ONE)


def _evaluate(spec: EvaluateSpec, dataset: Dataset, rows_R: NDArray[np.int64], scored: _Scored) -> Evaluation:
    judged = _Judged(
        labels_R=dataset.labels(rows_R),
        probability_R=scored.probability_R,
        threshold=scored.threshold,
        group_R=np.unique(dataset.groups(rows_R), return_inverse=True)[1].astype(np.int64),
        pairs=dataset.pairs(rows_R),
    )
    config = AggregationConfig()
    pairs = PairScores.of(
        whole_pairs(judged.labels_R, judged.pairs), judged.called_R1, judged.numbered_R, config=config
    )
    overlap, unseen = None, None
    if spec.trained_on is not None:
        overlap, seen_R = measure_overlap(dataset, rows_R, Dataset.open(spec.trained_on))
        if seen_R.any() and not seen_R.all():
            unseen = judged.only(~seen_R).metrics()
    return Evaluation(
        detector=scored.detector,
        overlap=overlap,
        since_cutoff=None if spec.cutoff is None else _since(spec.cutoff, dataset.dates(rows_R), judged, config),
        splits=[split for split in JUDGED if len(dataset.rows(split))],
        groups=int(judged.numbered_R.max()) + 1,
        threshold=scored.threshold,
        metrics=judged.metrics(),
        f1_interval=judged.f1_interval(config),
        unseen=unseen,
        pair_verdicts=None if pairs is None else pairs.verdicts(ONE),
        baselines=read_baselines(spec.dataset),
        slices=_slices(dataset, rows_R, judged.called_R1[:, 0] == (judged.labels_R == 1)),
    )


def _since(cutoff: str, dates: Sequence[str | None], judged: _Judged, config: AggregationConfig) -> SinceCutoff:
    """Return the scores on the functions that are surely newer; one of the very day may have been read."""
    newer_R = np.array([found is not None and found > cutoff for found in dates], dtype=np.bool_)
    undated = sum(found is None for found in dates)
    newer = judged.only(newer_R) if newer_R.any() else None
    return SinceCutoff(
        cutoff=cutoff,
        older=len(dates) - undated - int(newer_R.sum()),
        undated=undated,
        newer=None if newer is None else newer.metrics(),
        f1_interval=None if newer is None else newer.f1_interval(config),
    )


def _slices(dataset: Dataset, rows_R: NDArray[np.int64], right_R: NDArray[np.bool_]) -> list[KindEvidence]:
    return [
        KindEvidence(slice=kind, value=value, rows=len(places), accuracy={"detector": float(right_R[places].mean())})
        for kind, found in rows_by_slice(dataset, rows_R).items()
        for value, places in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
