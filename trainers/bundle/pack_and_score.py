"""The runs that pack a bundle and that score with one: each leaves a `result.json` as every run does."""

import time
from collections.abc import Sequence

from cellgate.contract.artifacts import BUNDLE_FOLDER
from cellgate.contract.bundle import BundleManifest
from cellgate.contract.bundle_summary import BundleSummary, Invariance, LineMeasures, LineRanking
from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError
from cellgate.contract.results import FunctionScore, LineWeight, RunResult, Scores
from cellgate.contract.specs import PackSpec, ScoreSpec
from trainers.bundle.bundle import Bundle
from trainers.bundle.invariance import measure_invariance
from trainers.bundle.line_evaluation import LineReport, evaluate_lines
from trainers.bundle.packing import NO_NOTES, pack_bundle
from trainers.bundle.verdict import FunctionVerdict
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.run_folder import result_header, write_result
from trainers.evaluation.edits import EDITS

# Functions of gate that are scored to see how fast that goes; the rest only where the first few did not take long.
MEASURED, MEASURED_FIRST, PATIENCE_S = 256, 8, 1.0
# Vulnerable functions of gate whose lines are ranked: as many as take a minute, and none where those would be few.
RANKED, RANKED_AT_LEAST, RANKING_S = 256, 20, 60.0
# Functions of gate that are edited, likewise.
EDITED, EDITED_AT_LEAST, EDITING_S = 512, 40, 30.0
# What ranking the lines of a function takes, in scorings of it, where its models hint at none.
SCORINGS = 14


def pack(spec: PackSpec, context: RunContext) -> RunResult:
    """Make a bundle in the output folder's `bundle` and leave the result beside it.

    Raises:
        SpecError: The runs do not make such a bundle.
        DataError: A run is damaged, or the bundle's scores differ from those that its runs stored.
    """
    begun = time.perf_counter()
    manifest = pack_bundle(
        context.out / BUNDLE_FOLDER,
        kind=spec.kind,
        runs=spec.runs,
        dataset=spec.dataset,
        text_weight=spec.text_weight,
        licence_notes=spec.licence_notes or NO_NOTES,
        deployment_prevalence=spec.deployment_prevalence,
        alerts_per_1000=spec.alerts_per_1000,
        selective_risk=spec.selective_risk,
        tolerance=spec.tolerance,
    )
    packed = time.perf_counter()
    dataset = Dataset.open(spec.dataset)
    bundle = Bundle.open(context.out / BUNDLE_FOLDER, self_test=False)
    rate = _speed(bundle, dataset)
    summary = _summary(
        manifest,
        functions_per_s=rate,
        lines=rank_lines(bundle, dataset, functions_per_s=rate),
        invariance=try_edits(bundle, dataset, functions_per_s=rate),
    )
    header = result_header(spec, context, cell=spec.cell, dataset_id=manifest.dataset_id)
    result = RunResult(
        **{**header, "timings_s": {"pack": packed - begun}},
        artifacts={f"{BUNDLE_FOLDER}/{name}": entry.sha256 for name, entry in manifest.files.items()},
        bundle=summary,
    )
    return write_result(result, context)


def score(spec: ScoreSpec, context: RunContext) -> RunResult:
    """Score functions with a bundle and leave the scores in the result.

    Raises:
        SpecError: The threshold is no probability.
        DataError: The bundle is damaged, or a function is empty or no Unicode text.
    """
    begun = time.perf_counter()
    bundle = Bundle.open(spec.bundle)
    opened = time.perf_counter()
    predictions = bundle.predict(spec.functions, threshold=spec.threshold, explain=spec.explain)
    threshold = bundle.manifest.threshold if spec.threshold is None else spec.threshold
    scored = time.perf_counter()
    header = result_header(spec, context, cell=spec.cell, dataset_id=bundle.manifest.dataset_id)
    result = RunResult(
        **{**header, "timings_s": {"open": opened - begun, "score": scored - opened}},
        artifacts={},
        scores=Scores(bundle=bundle.manifest.id, threshold=threshold, functions=[_said(one) for one in predictions]),
    )
    return write_result(result, context)


def _speed(bundle: Bundle, dataset: Dataset) -> float:
    """Return how many functions a second the bundle scores, from source text to verdict."""
    sources = dataset.sources(dataset.rows(Split.GATE)[:MEASURED])
    first, rest = sources[:MEASURED_FIRST], sources[MEASURED_FIRST:]
    took_s = _seconds(bundle, first)
    return len(rest) / _seconds(bundle, rest) if rest and took_s < PATIENCE_S else len(first) / took_s


def rank_lines(bundle: Bundle, dataset: Dataset, *, functions_per_s: float) -> LineRanking | None:
    """Return how soon the lines that a bundle names lead to those that patches change, in about a minute.

    Null where gate has no pair that tells, or the bundle would rank too few in that time.

    Args:
        functions_per_s: That it scores.
    """
    limit = _affordable(functions_per_s * RANKING_S / SCORINGS, least=RANKED_AT_LEAST, most=RANKED)
    if limit is None:
        return None
    try:
        report = evaluate_lines(bundle, dataset, Split.GATE, limit=limit)
    except DataError:
        # No pairs: most data sets have none.
        return None
    return _ranking(report)


def _ranking(report: LineReport) -> LineRanking:
    return LineRanking(
        split=report.split,
        functions=report.functions,
        flaws=report.flaws,
        bundle=LineMeasures(**vars(report.bundle)),
        **{name: LineMeasures(**vars(measures)) for name, measures in report.baselines.items()},
        not_beaten=[f"{name} of {baseline}" for name, baseline in report.not_beaten],
    )


def _seconds(bundle: Bundle, sources: Sequence[str]) -> float:
    begun = time.perf_counter()
    bundle.predict(sources, explain="none")
    return time.perf_counter() - begun


def try_edits(bundle: Bundle, dataset: Dataset, *, functions_per_s: float) -> Invariance | None:
    """Return what edits that keep the meaning do to a bundle's verdicts, in less than a minute.

    Null where no function can be edited, or the bundle would score too few in that time.

    Args:
        functions_per_s: That it scores.
    """
    limit = _affordable(functions_per_s * EDITING_S / (1 + len(EDITS)), least=EDITED_AT_LEAST, most=EDITED)
    return None if limit is None else measure_invariance(bundle, dataset, Split.GATE, limit=limit)


def _affordable(functions: float, *, least: int, most: int) -> int | None:
    """Return of how many functions there is time for, at most so many; null where they are too few to tell."""
    return None if functions < least else min(most, int(functions))


def _summary(
    manifest: BundleManifest, *, functions_per_s: float, lines: LineRanking | None, invariance: Invariance | None
) -> BundleSummary:
    return BundleSummary(
        id=manifest.id,
        kind=manifest.kind,
        parts=list(manifest.members[0].parts),
        seeds=[member.seed for member in manifest.members],
        text_weight=manifest.text_weight,
        threshold=manifest.threshold,
        largest_difference=manifest.agreement.largest_difference,
        compared=manifest.agreement.functions,
        size_bytes=sum(entry.size_bytes for entry in manifest.files.values()),
        functions_per_s=functions_per_s,
        deployment=manifest.deployment,
        abstention=manifest.abstention,
        lines=lines,
        invariance=invariance,
    )


def _said(prediction: FunctionVerdict) -> FunctionScore:
    weights = prediction.weights
    return FunctionScore(
        probability=prediction.probability,
        vulnerable=prediction.is_vulnerable,
        abstains=prediction.abstains,
        graph_quality=prediction.graph_quality,
        text_truncated=prediction.text_truncated,
        graph_truncated=prediction.graph_truncated,
        weights=None
        if weights is None
        else [LineWeight(start_line=one.start_line, end_line=one.end_line, log_odds=one.log_odds) for one in weights],
    )
