"""Judge a bundle, or the scores of any detector, on a data set that it was not trained on."""

# Shapes: R rows that are judged, C classes.
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import AggregationConfig, Split
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.evidence import KindEvidence
from cellgate.contract.files import sha256_of_file
from cellgate.contract.results import Evaluation, Metrics, RunResult
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


def _evaluate(spec: EvaluateSpec, dataset: Dataset, rows_R: NDArray[np.int64], scored: _Scored) -> Evaluation:
    labels_R, pairs = dataset.labels(rows_R), dataset.pairs(rows_R)
    group_R = np.unique(dataset.groups(rows_R), return_inverse=True)[1].astype(np.int64)
    called_R1 = (scored.probability_R >= scored.threshold)[:, np.newaxis]
    config = AggregationConfig()
    resampled = Resampled.of_f1(
        labels_R,
        called_R1,
        group_R,
        resamples=config.resamples,
        seed=config.bootstrap_seed,
        confidence=config.confidence,
    )
    found = PairScores.of(whole_pairs(labels_R, pairs), called_R1, group_R, config=config)
    overlap, unseen = None, None
    if spec.trained_on is not None:
        overlap, seen_R = measure_overlap(dataset, rows_R, Dataset.open(spec.trained_on))
        if seen_R.any() and not seen_R.all():
            kept = np.flatnonzero(~seen_R)
            unseen = _metrics(labels_R[kept], scored.probability_R[kept], scored.threshold, [pairs[k] for k in kept])
    return Evaluation(
        detector=scored.detector,
        overlap=overlap,
        splits=[split for split in JUDGED if len(dataset.rows(split))],
        groups=int(group_R.max()) + 1,
        threshold=scored.threshold,
        metrics=_metrics(labels_R, scored.probability_R, scored.threshold, pairs),
        f1_interval=resampled.interval(ONE),
        unseen=unseen,
        pair_verdicts=None if found is None else found.verdicts(ONE),
        baselines=read_baselines(spec.dataset),
        slices=_slices(dataset, rows_R, called_R1[:, 0] == (labels_R == 1)),
    )


def _metrics(
    labels_R: NDArray[np.int64], probability_R: Floats, threshold: float, pairs: Sequence[str | None]
) -> Metrics:
    clipped_R = np.clip(probability_R, LEAST, 1 - LEAST)
    # Called by the probability as it was given: through log-odds one at the threshold may fall below it.
    logits_RC = np.stack([np.log1p(-clipped_R), np.log(clipped_R)], axis=1)
    return compute_metrics(labels_R, logits_RC, threshold=threshold - LEAST, temperature=1.0, pairs=pairs)


def _slices(dataset: Dataset, rows_R: NDArray[np.int64], right_R: NDArray[np.bool_]) -> list[KindEvidence]:
    return [
        KindEvidence(slice=kind, value=value, rows=len(places), accuracy={"detector": float(right_R[places].mean())})
        for kind, found in rows_by_slice(dataset, rows_R).items()
        for value, places in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
