"""Cell 54 from top to bottom: finished runs of all seeds become the evidence that a decision needs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from cellgate.contract.artifacts import REPORT_NAME, VERDICTS_NAME, predictions_name
from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split
from cellgate.contract.errors import InputError, SpecError
from cellgate.contract.events import EventKind
from cellgate.contract.evidence import Evidence, Truncation, summed
from cellgate.contract.files import sha256_of_file
from cellgate.contract.options import Option
from cellgate.contract.report import SeedReport, write_report
from cellgate.contract.results import RunResult
from cellgate.contract.specs import AggregationSpec, RunOutput
from trainers.data.dataset import Dataset
from trainers.engine.calibration import fit_temperature, fit_temperature_unsmoothed
from trainers.engine.context import RunContext
from trainers.engine.run_folder import result_header, write_result
from trainers.evaluation.evidence import make_evidence, read_baselines
from trainers.evaluation.finished_runs import FinishedRun, WantedRun, open_runs
from trainers.evaluation.function_verdicts import write_verdicts
from trainers.evaluation.options import Candidate, SeedRuns, read_candidates
from trainers.evaluation.seed_report import make_evaluation_report
from trainers.evaluation.weighing import Weighing


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What cell 54 concludes from the runs that its spec names, and what it was made of."""

    evidence: Evidence
    report: SeedReport
    candidates: Sequence[Candidate]
    dataset: Dataset


def run(spec: AggregationSpec, context: RunContext) -> RunResult:
    """Weigh every option on the gate split; leave the evidence in `result.json`, report and verdicts beside it.

    Raises:
        SpecError: The cells have different seeds, or a run is of another cell, seed or data set.
        DataError: A result or a predictions file is missing, damaged or not of this data set.
    """
    with context.phase("evaluate"):
        weighed = weigh(spec)
    _tell(weighed.evidence, context)
    write_report(context.out / REPORT_NAME, weighed.report)
    write_verdicts(context.out / VERDICTS_NAME, weighed.candidates, weighed.dataset)
    header = result_header(spec, context, cell=spec.cell, dataset_id=weighed.report.dataset_id)
    total_s = time.monotonic() - context.begun
    result = RunResult(
        **{**header, "timings_s": {**context.timings_s, "total": total_s}},
        artifacts={name: sha256_of_file(context.out / name) for name in (REPORT_NAME, VERDICTS_NAME)},
        evidence=weighed.evidence,
    )
    return write_result(result, context)


def weigh(spec: AggregationSpec, *, weighing: Weighing = Weighing.NOW) -> Weighed:
    """Return evidence and report; the same files and spec give the same bytes.

    Args:
        weighing: How.

    Raises:
        SpecError: The cells have different seeds, or a run is of another cell, seed or data set.
        DataError: A result or a predictions file is missing, damaged or not of this data set.
    """
    _check_seeds(spec)
    dataset = Dataset.open(spec.dataset)
    baselines = read_baselines(spec.dataset)
    seeds = _open_seeds(spec, dataset)
    candidates = read_candidates(
        seeds,
        dataset=dataset,
        text_weight=spec.text_weight,
        calibrated=weighing is not Weighing.WITHOUT_P_VALUES,
        fit=fit_temperature if weighing is Weighing.NOW else fit_temperature_unsmoothed,
    )
    evidence = make_evidence(
        candidates,
        dataset=dataset,
        baselines=baselines,
        truncation=_truncation(seeds),
        config=spec,
        inputs=_inputs(seeds),
        weighing=weighing,
    )
    report = make_evaluation_report(candidates, dataset=dataset, evidence=evidence)
    return Weighed(evidence=evidence, report=report, candidates=candidates, dataset=dataset)


def _check_seeds(spec: AggregationSpec) -> None:
    expected = sorted({output.seed for output in spec.transformer})
    cells = {"transformer": spec.transformer, "gnn": spec.gnn, **({"fusion": spec.fusion} if spec.fusion else {})}
    found = {name: sorted(output.seed for output in outputs) for name, outputs in cells.items()}
    problems = [
        InputError(
            where=f"/{name}",
            found=f"seeds {seeds}",
            expected=f"{expected}, each once, as in the other cells",
            fix="name one run of each cell for every seed",
        )
        for name, seeds in found.items()
        if seeds != expected
    ]
    if problems:
        raise SpecError("the cells do not have the same seeds, so their options cannot be paired", problems)


def _wanted(name: str, cell: Cell, outputs: Sequence[RunOutput]) -> list[WantedRun]:
    in_order = sorted(enumerate(outputs), key=lambda entry: entry[1].seed)
    return [
        WantedRun(where=f"/{name}/{place}", cell=cell, seed=output.seed, path=output.path) for place, output in in_order
    ]


def _open_seeds(spec: AggregationSpec, dataset: Dataset) -> list[SeedRuns]:
    """Return the runs by seed, ascending; whatever is wrong with any of them is reported at once."""
    runs = open_runs(
        [
            *_wanted("transformer", Cell.TRANSFORMER, spec.transformer),
            *_wanted("gnn", Cell.GNN, spec.gnn),
            *_wanted("fusion", Cell.FUSION, spec.fusion),
        ],
        dataset=dataset,
    )
    count = len(spec.transformer)
    fusion: list[FinishedRun | None] = [*runs[2 * count :]] or [None] * count
    return [
        SeedRuns(seed=text.seed, transformer=text, gnn=graph, fusion=fused)
        for text, graph, fused in zip(runs[:count], runs[count : 2 * count], fusion, strict=True)
    ]


def _truncation(seeds: Sequence[SeedRuns]) -> dict[Option, Truncation]:
    """Return how much of gate each base model does not see, summed over its seeds."""
    of_models: dict[Option, list[FinishedRun]] = {
        "transformer": [of_seed.transformer for of_seed in seeds],
        "gnn": [of_seed.gnn for of_seed in seeds],
    }
    found: dict[Option, Truncation] = {}
    for option, runs in of_models.items():
        counted = [run.result.truncation.get(Split.GATE.value) for run in runs]
        known = [one for one in counted if one is not None]
        if len(known) == len(runs):
            found[option] = summed(known)
    return found


def _inputs(seeds: Sequence[SeedRuns]) -> dict[str, str]:
    """Return the hash of every predictions file that was read: `cell/seed/split`."""
    return {
        f"{run.name}/{split.value}": run.result.artifacts[predictions_name(split)]
        for of_seed in seeds
        for run, split in of_seed.reads()
    }


def _tell(evidence: Evidence, context: RunContext) -> None:
    values = {f"gate/f1/{option.option}": option.f1 for option in evidence.options}
    context.events.write(EventKind.METRIC, step=0, values=values)
