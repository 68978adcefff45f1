"""Results, evidence and finished experiments made by hand: what trainers would have left, without training."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from cellgate.contract.artifacts import REPORT_NAME
from cellgate.contract.cells import Cell
from cellgate.contract.evidence import (
    Abstention,
    AlertBudget,
    Baseline,
    Comparison,
    CoveragePoint,
    DeploymentCandidate,
    DeploymentScores,
    Estimate,
    Evidence,
    Gain,
    Interval,
    OptionEvidence,
    PairShare,
    PairVerdicts,
    Truncation,
)
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.inspection import (
    DateReading,
    FieldReading,
    GroupReading,
    Inspection,
    LabelValue,
    LanguageReading,
    LeftOut,
    Meaning,
    PairReading,
    Reason,
    SourceFile,
    SplitReading,
)
from cellgate.contract.options import Option
from cellgate.contract.report import (
    CurvePoint,
    HardFunctions,
    OptionReport,
    Overlap,
    ReliabilityBin,
    SeedReport,
    SeedScores,
    SharedErrors,
    write_report,
)
from cellgate.contract.results import (
    DatasetSummary,
    Environment,
    Evaluation,
    LearningRateOutcome,
    Memory,
    Metrics,
    RunResult,
    SinceCutoff,
    SplitSummary,
    TrainingOverlap,
)
from cellgate.contract.states import FailureReason
from service.store import lifecycle, pipeline
from service.store.claims import Claim, claim_next
from service.store.database import Database

DATASET_HASH = "sha256:" + "d" * 64
SPEC_HASH = "sha256:" + "5" * 64
POSITIVES = 150
HALF_WIDTH = 0.01
ALL_POSITIVE_F1 = 0.6667
F1s = Mapping[Option, Sequence[float]]
NUMBERED: dict[Cell, Any] = {Cell.TRANSFORMER: 51, Cell.GNN: 52, Cell.FUSION: 53, Cell.AGGREGATION: 54}
HEALTHY: F1s = {"transformer": [0.90, 0.91], "gnn": [0.88, 0.89], "ensemble": [0.93, 0.94]}


def metrics(f1: float, *, positives: int = POSITIVES) -> Metrics:
    """Return scores with this F1."""
    return Metrics(
        rows=300,
        positives=positives,
        loss=0.3,
        accuracy=f1,
        precision=f1,
        recall=f1,
        f1=f1,
        mcc=0.8,
        auroc=0.95,
        auprc=0.95,
        ece=0.02,
        vd_s=0.2,
        pairwise_correct=0.8,
        all_positive_f1=ALL_POSITIVE_F1,
        true_positives=1,
        false_positives=1,
        true_negatives=1,
        false_negatives=1,
    )


def learning_rate(**changes: Any) -> LearningRateOutcome:
    """Return the outcome of a finder whose answer was cached and verified."""
    fields = {
        "learning_rate": 1e-3,
        "source": "finder",
        "reason": "valley",
        "cache_key": "k",
        "cache_hit": False,
        "cache_verified": True,
    }
    return LearningRateOutcome.model_validate({**fields, **changes})


def result(cell: Any, seed: int = 0, **changes: Any) -> RunResult:
    """Return a valid result; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "schema_version": 1,
        "cell": cell,
        "seed": seed,
        "spec_hash": SPEC_HASH,
        "dataset_id": DATASET_HASH,
        "started_at": 1.0,
        "timings_s": {"total": 1.0},
        "memory": Memory(host_bytes=1, device_bytes=0),
        "environment": Environment(
            python="3.11", packages={}, platform="linux", device="cpu", threads=1, precision="fp32", code_version="0"
        ),
        "artifacts": {},
    }
    return RunResult(**{**fields, **changes})


def trained(cell: Any, seed: int, f1: float, **changes: Any) -> RunResult:
    """Return the result of a healthy run of cell 51, 52 or 53 with this F1 on the gate split."""
    fields = {"metrics": {"gate": metrics(f1)}, "learning_rate": learning_rate(), "truncation": {"gate": truncation()}}
    return result(cell, seed, **{**fields, **changes})


def truncation(**changes: Any) -> Truncation:
    """Return what a model does not see of 300 functions: a tenth of them, and of what it misses."""
    fields = {
        "limit": 256,
        "unit": "tokens",
        "rows": 300,
        "rows_cut": 30,
        "positives": POSITIVES,
        "positives_cut": POSITIVES // 10,
        "misses": 20,
        "misses_cut": 2,
    }
    return Truncation.model_validate({**fields, **changes})


def prepared(**changes: Any) -> RunResult:
    """Return the result of a finished `prepare`."""
    fields: dict[str, Any] = {
        "id": DATASET_HASH,
        "path": "dataset",
        "rows": 600,
        "splits": {"gate": SplitSummary(rows=300, positives=POSITIVES)},
        "warnings": [],
        "bag_of_tokens_f1": 0.7,
        "probes": [Baseline(name="bag_of_tokens", f1=0.7, auroc=0.6), Baseline(name="length", f1=0.5, auroc=0.5)],
        "graph_quality": {"parsed": 600},
    }
    return result("prepare", dataset=DatasetSummary(**{**fields, **changes}))


def evaluation(**changes: Any) -> Evaluation:
    """Return how a detector does on functions of which some were in its training."""
    fields: dict[str, Any] = {
        "overlap": TrainingOverlap(
            functions=600, exact=3, near=2, near_complete=True, same_project=40, projects=["qemu"], same_commit=1
        ),
        "detector": DATASET_HASH,
        "splits": ["gate", "test"],
        "groups": 150,
        "threshold": 0.5,
        "metrics": metrics(0.8),
        "f1_interval": interval(0.8),
        "unseen": metrics(0.75),
        "pair_verdicts": None,
        "baselines": [],
        "slices": [],
    }
    return Evaluation(**{**fields, **changes})


def since_cutoff() -> SinceCutoff:
    """Return how a detector does on functions that are newer than what it may have read."""
    return SinceCutoff(cutoff="2023-09-30", older=60, undated=7, newer=metrics(0.7), f1_interval=interval(0.7))


def inspection(**changes: Any) -> Inspection:
    """Return how a file of one vulnerable and one other function was read."""
    values: dict[str, Any] = {
        "layout": None,
        "files": [SourceFile(name="functions.jsonl", form="JSONL", rows=3)],
        "files_total": 1,
        "columns": ["func", "target"],
        "fields": [FieldReading(field="func", columns=["func"], why="a known name", others=["code"], rows=2)],
        "labels": [LabelValue(value="1", meaning=Meaning.VULNERABLE, rows=1)],
        "pairs": PairReading(pairs=0, functions=0, source=""),
        "groups": GroupReading(groups=2, largest=1, largest_name="function 'line-1'"),
        "dates": DateReading(rows=0, first=None, last=None, unreadable=0),
        "splits": SplitReading(found={"train": 2}, source="column split", used=False, how="by a seeded hash"),
        "languages": [LanguageReading(language="c", rows=2, kept=True)],
        "rows": 3,
        "functions": 2,
        "vulnerable": 1,
        "left_out": [
            LeftOut(reason=Reason.EMPTY, rows=1, counts=True, explanation="no text", places=["line 3: found ''"])
        ],
        "left_out_share": 1 / 3,
        "samples": [],
        "notes": ["No function has a commit."],
        "refusals": [],
    }
    return Inspection(**{**values, **changes})


def interval(middle: float, half_width: float = HALF_WIDTH) -> Interval:
    """Return a symmetric 95 % interval."""
    return Interval(low=middle - half_width, high=middle + half_width, confidence=0.95)


def option_evidence(option: Option, f1s: Sequence[float], half_width: float = HALF_WIDTH) -> OptionEvidence:
    """Return how an option with these F1s, one per seed, does."""
    mean = fmean(f1s)
    return OptionEvidence(
        option=option,
        seeds=list(range(len(f1s))),
        f1_per_seed=list(f1s),
        f1=mean,
        f1_sd=0.01,
        f1_interval=interval(mean, half_width),
        precision=mean,
        recall=mean,
        mcc=0.8,
        auprc=0.9,
        auroc=0.9,
        ece=0.02,
        vd_s=0.2,
        text_weight=0.6 if option.startswith("ensemble") else None,
        test_f1=None,
    )


def pair_verdicts(correct: Sequence[float]) -> PairVerdicts:
    """Return verdicts on 75 pairs with these shares of right ones, one per seed; the other pairs are called safe."""

    def share(per_seed: Sequence[float]) -> PairShare:
        return PairShare(per_seed=list(per_seed), mean=fmean(per_seed), interval=interval(fmean(per_seed)))

    none = share([0.0] * len(correct))
    benign = share([1 - one for one in correct])
    return PairVerdicts(pairs=75, correct=share(correct), vulnerable=none, benign=benign, reversed=none)


def deployment_scores(precision: float) -> DeploymentScores:
    """Return scores at a prevalence of 1 %."""

    def estimate(mean: float) -> Estimate:
        return Estimate(mean=mean, interval=interval(mean))

    return DeploymentScores(
        prevalence=0.01,
        precision=estimate(precision),
        f1=estimate(0.2),
        alerts_per_1000=estimate(40.0),
        vd_s=estimate(0.6),
        budget=AlertBudget(
            wanted_per_1000=5,
            thresholds=[0.875],
            recall=estimate(0.45),
            precision=estimate(0.7),
            alerts_per_1000=estimate(6.5),
        ),
    )


def abstention(coverage: float) -> Abstention:
    """Return scores of two seeds at a risk of 5 %."""
    return Abstention(
        wanted_risk=0.05,
        margins=[0.75, 1.5],
        coverage=Estimate(mean=coverage, interval=interval(coverage)),
        risk=Estimate(mean=0.04, interval=interval(0.04)),
        curve=[CoveragePoint(coverage=1.0, risk=0.12), CoveragePoint(coverage=0.5, risk=0.02)],
    )


def evidence(f1s: F1s, *, half_width: float = HALF_WIDTH, **changes: Any) -> Evidence:
    """Return evidence over these options, with every pair compared; all intervals have the same half width."""
    options = [option_evidence(option, found, half_width) for option, found in f1s.items()]
    comparisons = [
        Comparison(
            first=first.option,
            second=second.option,
            f1_difference=first.f1 - second.f1,
            f1_interval=interval(first.f1 - second.f1, half_width),
            mcnemar_p=0.01,
            holm_p=0.03,
            p=0.02,
            adjusted_p=0.04,
        )
        for number, first in enumerate(options)
        for second in options[number + 1 :]
    ]
    fields: dict[str, Any] = {
        "split": "gate",
        "rows": 300,
        "positives": POSITIVES,
        "groups": 150,
        "all_positive_f1": ALL_POSITIVE_F1,
        "options": options,
        "comparisons": comparisons,
        "slices": [],
        "inputs": {},
    }
    return Evidence(**{**fields, **changes})


def shippable(option: Option, seeds: Sequence[int], f1: float, over_best: float | None = None) -> DeploymentCandidate:
    """Return how one option does as it would be packed of these seeds."""
    return DeploymentCandidate(
        option=option,
        seeds=list(seeds),
        text_weight=0.6 if option.startswith("ensemble") else None,
        threshold=0.5,
        dev_f1=f1,
        f1=f1,
        f1_interval=interval(f1),
        precision=f1,
        recall=f1,
        ece=0.02,
        gain=None if over_best is None else Gain(f1=over_best, interval=interval(over_best)),
    )


def seed_report(weighed: Evidence) -> SeedReport:
    """Return the report that cell 54 would leave beside this evidence."""
    options = [
        OptionReport(
            option=option.option,
            seeds=[
                SeedScores(seed=seed, threshold=0.5, text_weight=None, dev_f1=f1, gate=metrics(f1), test=None)
                for seed, f1 in zip(option.seeds, option.f1_per_seed, strict=True)
            ],
            flip_rate=0.1,
            unsteady=0.15,
            reliability=[ReliabilityBin(rows=300, probability=0.5, vulnerable=0.5)],
            calibration_error=0.0,
            curves=[[CurvePoint(threshold=0.5, recall=f1, precision=f1)] for f1 in option.f1_per_seed],
        )
        for option in weighed.options
    ]
    errors = SharedErrors(both=1.0, only_first=2.0, only_second=3.0)
    return SeedReport(
        schema_version=1,
        dataset_id=DATASET_HASH,
        evidence=weighed,
        options=options,
        overlaps=[
            Overlap(first=pair.first, second=pair.second, misses=errors, false_alarms=errors)
            for pair in weighed.comparisons
        ],
        slices=[],
        hard_functions=HardFunctions(
            common=[],
            transformer_corrects=[],
            gnn_corrects=[],
            common_total=0,
            transformer_corrects_total=0,
            gnn_corrects_total=0,
        ),
    )


class FakeTrainers:
    """Stands where workers and trainers would: claims runs and ends them with results made by hand.

    Args:
        database: A migrated database.
        artifacts: The artifact root; result.json files are really written.
        f1s: F1 on the gate split by option and seed (the position in the list).
    """

    def __init__(self, database: Database, artifacts: Path, f1s: F1s = HEALTHY) -> None:
        self.database = database
        self.artifacts = artifacts
        self.f1s = f1s
        self.corrupt: Callable[[Claim, RunResult], RunResult] = lambda _claim, found: found
        self.failing: dict[tuple[Cell, int], tuple[FailureReason, int]] = {}
        self.steps: list[tuple[Cell, int]] = []

    def work(self, *, limit: int = 100) -> list[tuple[Cell, int]]:
        """Run everything that is queued or becomes so, and return (cell, seed) in the order it ran."""
        before = len(self.steps)
        while len(self.steps) - before < limit and self.work_once():
            pass
        return self.steps[before:]

    def work_once(self) -> bool:
        """Claim and end one run; False when nothing is queued."""
        with self.database.begin() as session:
            claim = claim_next(session, worker="by hand", queues=["cpu"], lease_s=60)
        if claim is None:
            return False
        with self.database.begin() as session:
            lifecycle.mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
        self.end(claim)
        return True

    def end(self, claim: Claim) -> None:
        """End a claimed run as its cell would."""
        self.steps.append((claim.cell, claim.seed))
        failure = self.failing.get((claim.cell, claim.seed))
        with self.database.begin() as session:
            if failure is not None:
                reason, code = failure
                lifecycle.fail(
                    session,
                    run_id=claim.run_id,
                    attempt=claim.attempt,
                    reason=reason,
                    detail="made to fail",
                    exit_code=code,
                )
            else:
                body = self.corrupt(claim, self._with_report(claim, self.made(claim))).model_dump(mode="json")
                write_json(self.artifacts / claim.path / "result.json", body)
                lifecycle.succeed(session, run_id=claim.run_id, attempt=claim.attempt, exit_code=0, result=body)
            pipeline.after_run(session, run_id=claim.run_id, artifacts=self.artifacts)

    def made(self, claim: Claim) -> RunResult:
        """Return the result that the claim's cell would leave."""
        match claim.cell:
            case Cell.PREPARE:
                return prepared()
            case Cell.PREFLIGHT:
                return result("preflight", claim.seed)
            case Cell.INSPECT:
                return result("inspect", claim.seed, inspection=inspection())
            case Cell.EVALUATE:
                return result("evaluate", claim.seed, evaluation=evaluation(since_cutoff=since_cutoff()))
            case Cell.AGGREGATION:
                shown = {name: f1s for name, f1s in self.f1s.items() if name != "fusion" or self._fused()}
                return result(54, claim.seed, evidence=evidence(shown))
            case Cell.TRANSFORMER | Cell.GNN | Cell.FUSION:
                option: Any = claim.cell.label
                return trained(NUMBERED[claim.cell], claim.seed, self.f1s[option][claim.seed])

    def _with_report(self, claim: Claim, made: RunResult) -> RunResult:
        if made.evidence is None:
            return made
        path = self.artifacts / claim.path / REPORT_NAME
        write_report(path, seed_report(made.evidence))
        return made.model_copy(update={"artifacts": {REPORT_NAME: sha256_of_file(path)}})

    def _fused(self) -> bool:
        return any(cell is Cell.FUSION for cell, _seed in self.steps)
