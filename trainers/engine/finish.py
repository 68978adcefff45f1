"""After training: calibrate on dev, predict every split, measure, and leave a validated result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.configs import Split, TransformerConfig
from cellgate.contract.errors import DivergenceError
from cellgate.contract.evidence import Truncation
from cellgate.contract.results import LearningRateOutcome, MarginScores, Metrics, ResolvedRecipe, RunResult
from cellgate.contract.specs import TrainedSpec
from trainers.data.dataset import Dataset
from trainers.engine.abstention import Verdicts, scores_by_margin
from trainers.engine.calibration import fit_temperature
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.memory import peak_memory
from trainers.engine.metrics import best_threshold, compute_metrics, margins, probabilities
from trainers.engine.outcome import FitOutcome
from trainers.engine.predictions import Predictions, predictions_path, write_predictions
from trainers.engine.run_folder import hash_artifacts, result_header, write_result
from trainers.engine.task import Task


@dataclass(frozen=True, kw_only=True)
class TruncationMask:
    """Which functions a model does not see all of.

    Args:
        limit: Tokens or nodes that it sees of each at most.
        rows_F: Of every row of the data set, bool.
    """

    limit: int
    unit: Literal["tokens", "nodes"]
    rows_F: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """Scores by split, with the temperature and threshold that dev fixed."""

    temperature: float
    threshold: float
    metrics: dict[str, Metrics]
    truncation: dict[str, Truncation]
    margins: list[MarginScores]


EVALUATED = (Split.DEV, Split.FUSE, Split.GATE, Split.TEST)


def finish(
    task: Task,
    *,
    dataset: Dataset,
    spec: TrainedSpec,
    outcome: FitOutcome,
    learning_rate: LearningRateOutcome,
    context: RunContext,
    hardware: Hardware,
    splits: Sequence[Split] = EVALUATED,
    warnings: Sequence[str] = (),
    cut: TruncationMask | None = None,
    linear_F: NDArray[np.float32] | None = None,
) -> RunResult:
    """Write predictions, metrics and `result.json` of a trained task; save its `model/` before.

    Temperature and threshold are fixed on dev and then only applied.

    Args:
        splits: To predict; dev among them.
        warnings: For the result.
        cut: Which functions the model does not see all of, where it may not.
        linear_F: Log-odds of the linear model that the network is mixed with, of every function of the data set.

    Raises:
        DivergenceError: A prediction is NaN or Inf.
        InterruptedRun: A stop was requested.
    """
    with context.phase("predict"):
        predictions = {split: _predict(task, dataset, split, context, hardware, linear_F) for split in splits}
        for split, of_split in predictions.items():
            write_predictions(predictions_path(context.out, split), of_split)
    with context.phase("evaluate"):
        evaluation = _evaluate(predictions, dataset, cut)
    header = result_header(
        spec,
        context,
        cell=spec.cell,
        dataset_id=dataset.id,
        memory=peak_memory(hardware.device),
        environment=hardware.describe(),
    )
    result = RunResult(
        **header,
        warnings=list(warnings),
        artifacts=hash_artifacts(context.out),
        metrics=evaluation.metrics,
        truncation=evaluation.truncation,
        margins=evaluation.margins,
        best_epoch=outcome.best_epoch,
        epochs=outcome.epochs,
        steps=outcome.steps,
        skipped_steps=outcome.skipped_steps,
        parameters=sum(parameter.numel() for parameter in task.model.parameters()),
        threshold=evaluation.threshold,
        temperature=evaluation.temperature,
        recipe=ResolvedRecipe.of(spec) if isinstance(spec, TransformerConfig) else None,
        learning_rate=learning_rate,
        collapses=list(outcome.collapses),
        collapse_events=outcome.collapse_events,
    )
    return write_result(result, context)


def _evaluate(predictions: Mapping[Split, Predictions], dataset: Dataset, cut: TruncationMask | None) -> _Evaluation:
    dev = predictions[Split.DEV]
    temperature = fit_temperature(dev.labels_R, dev.logits_RC)
    threshold = best_threshold(dev.labels_R, probabilities(dev.logits_RC, temperature=temperature))
    metrics, truncation = {}, {}
    for split, of_split in predictions.items():
        metrics[split.value] = compute_metrics(
            of_split.labels_R,
            of_split.logits_RC,
            threshold=threshold,
            temperature=temperature,
            pairs=dataset.pairs(of_split.rows_R),
        )
        if cut is not None:
            truncation[split.value] = truncation_of(of_split, cut, threshold=threshold, temperature=temperature)
    return _Evaluation(
        temperature=temperature,
        threshold=threshold,
        metrics=metrics,
        truncation=truncation,
        margins=margins_of(predictions, threshold=threshold, temperature=temperature),
    )


def margins_of(predictions: Mapping[Split, Predictions], *, threshold: float, temperature: float) -> list[MarginScores]:
    """Return what abstention within each margin leaves of gate; which margin counts is up to a policy.

    Args:
        predictions: Of dev, which bounds the margins; without gate there are no scores.
        threshold: At or above this probability a function is called vulnerable.
        temperature: The logits are divided by it.
    """
    if Split.GATE not in predictions:
        return []
    dev, gate = (
        Verdicts.of(of_split.labels_R, margins(of_split.logits_RC) / temperature, threshold)
        for of_split in (predictions[Split.DEV], predictions[Split.GATE])
    )
    return scores_by_margin(dev, gate)


def truncation_of(predictions: Predictions, cut: TruncationMask, *, threshold: float, temperature: float) -> Truncation:
    """Count how many functions of a split are cut, of all, of the vulnerable ones and of those that are missed.

    Args:
        predictions: Of one split.
        cut: By row of the whole data set.
        threshold: At or above this probability a function is called vulnerable.
        temperature: The logits are divided by it.
    """
    cut_R = cut.rows_F[predictions.rows_R]
    positive_R = predictions.labels_R == 1
    missed_R = positive_R & (probabilities(predictions.logits_RC, temperature=temperature) < threshold)
    return Truncation(
        limit=cut.limit,
        unit=cut.unit,
        rows=len(cut_R),
        rows_cut=int(cut_R.sum()),
        positives=int(positive_R.sum()),
        positives_cut=int((positive_R & cut_R).sum()),
        misses=int(missed_R.sum()),
        misses_cut=int((missed_R & cut_R).sum()),
    )


def _predict(
    task: Task,
    dataset: Dataset,
    split: Split,
    context: RunContext,
    hardware: Hardware,
    linear_F: NDArray[np.float32] | None,
) -> Predictions:
    rows = dataset.rows(split)
    outputs = infer(task, rows, hardware=hardware, context=context)
    if not np.isfinite(outputs.logits_RC).all():
        raise DivergenceError(f"predictions of {split.value} are NaN or Inf; lower the learning rate or use fp32")
    return Predictions(
        rows_R=rows,
        ids=dataset.ids(rows),
        labels_R=dataset.labels(rows),
        logits_RC=outputs.logits_RC,
        embeddings_RD=outputs.embeddings_RD,
        linear_R=None if linear_F is None else linear_F[rows],
    )
