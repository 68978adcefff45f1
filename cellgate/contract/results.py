"""`result.json`: the record of a finished run, with its published JSON Schema.

"All JSON metadata valid" in the gate means this schema, applied to the file as it lies on disk.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cellgate.contract.bundle_summary import BundleSummary
from cellgate.contract.cells import CellName
from cellgate.contract.composition import SplitComposition
from cellgate.contract.configs import EvaluationSplits, Split, TransformerConfig
from cellgate.contract.documents import Day, Document, Finite, NonNegative, Probability, Sha256
from cellgate.contract.evidence import Baseline, Evidence, Interval, KindEvidence, PairVerdicts, Truncation
from cellgate.contract.inspection import Inspection
from cellgate.contract.recipes import TrainingKind, settings_of
from cellgate.contract.untrusted_files import read_document

SCHEMA_VERSION = 1


class Metrics(Document):
    """A model's scores on one split, at its threshold."""

    rows: int = Field(ge=1)
    positives: int = Field(ge=0)
    loss: NonNegative
    accuracy: Probability
    precision: Probability
    recall: Probability
    f1: Probability
    mcc: float = Field(ge=-1, le=1)
    auroc: Probability | None
    auprc: Probability | None
    ece: Probability
    vd_s: Probability | None = Field(description="FNR at FPR <= 0.5 %; null with a single class.")
    pairwise_correct: Probability | None = Field(
        description="P-C, share of pairs with both members right; null without pairs."
    )
    pairwise_vulnerable: Probability | None = Field(None, description="P-V, pairs with both called vulnerable.")
    pairwise_benign: Probability | None = Field(None, description="P-B, pairs with both called safe.")
    pairwise_reversed: Probability | None = Field(None, description="P-R, pairs with both members wrong.")
    all_positive_f1: Probability
    true_positives: int = Field(ge=0)
    false_positives: int = Field(ge=0)
    true_negatives: int = Field(ge=0)
    false_negatives: int = Field(ge=0)


class ResolvedRecipe(Document):
    """The kind of training of cell 51, and what it had for each setting that the kind decides."""

    kind: TrainingKind
    settings: dict[str, float] = Field(description="By dotted path in the config, e.g. training.epochs.")

    @classmethod
    def of(cls, config: TransformerConfig) -> "ResolvedRecipe":
        """Return that of a config."""
        return cls(kind=config.kind, settings=settings_of(config))

    def check(self) -> "Check":
        """Return the values that a training would have, as a check that passes."""
        shown = ", ".join(f"{path} {value:g}" for path, value in self.settings.items())
        return Check(name="transformer_recipe", verdict="pass", detail=f"kind {self.kind}: {shown}")


class LearningRateOutcome(Document):
    """Source of the learning rate, and the use of the cache."""

    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    source: Literal["spec", "finder", "cache", "fallback"]
    reason: str
    cache_key: str | None
    cache_hit: bool
    cache_verified: bool | None = Field(
        description="Whether the cache's entry was read back from disk and is equal; null without a cache."
    )


CollapseType = Literal[
    "single_class",
    "constant_logits",
    "non_finite",
    "zero_f1",
    "prior_entropy",
    "dead_branch",
    "vanishing_gradient",
    "exploding_gradient",
]


class MarginScores(Document):
    """A margin around a model's threshold within which it gives no verdict: bounded on dev, measured on gate."""

    margin: NonNegative = Field(description="In log-odds.")
    risk_bound: Probability = Field(description="Upper 95 % bound, on dev, of the share of wrong ones of its verdicts.")
    coverage: Probability = Field(description="Share of gate's functions that have a verdict.")
    risk: Probability | None = Field(description="Share of wrong ones among these verdicts; null where there is none.")


class Collapse(Document):
    """One collapse event."""

    type: CollapseType
    component: str
    step: int = Field(ge=0)
    detail: str


class Memory(Document):
    """Peak memory of the process."""

    host_bytes: int = Field(ge=0)
    device_bytes: int = Field(ge=0)


class Environment(Document):
    """Machine and versions that the run ran on."""

    python: str
    packages: dict[str, str]
    platform: str
    device: str
    threads: int = Field(ge=1)
    precision: str
    code_version: str


PreflightVerdict = Literal["pass", "warn", "fail"]


class Check(Document):
    """One pre-flight check."""

    name: str
    verdict: PreflightVerdict
    detail: str
    fix: str = ""


class PredictedNeed(Document):
    """What one run of a cell will take, as a pre-flight predicts it."""

    host_bytes: int = Field(ge=0)
    device_bytes: int = Field(ge=0)
    disk_bytes: int = Field(ge=0)
    step_s: NonNegative | None = Field(None, description="Of an optimizer step with the worst batch.")
    steps: int | None = Field(None, ge=1, description="Of the whole training, without early stopping.")


class SplitSummary(Document):
    """Size of one split."""

    rows: int = Field(ge=0)
    positives: int = Field(ge=0)


class NearDuplicates(Document):
    """Functions of one split that have a near-duplicate in train."""

    rows: int = Field(ge=0)
    share: Probability = Field(description="Of the split's functions.")
    other_label: int = Field(ge=0, description="Functions whose nearest function of train has the other label.")


class SettingChange(Document):
    """A setting that differs between two versions of a data set, as JSON; null: not set."""

    name: str
    before: Any = None
    after: Any = None


class DatasetChanges(Document):
    """What a version of a data set changed against the one before; functions are compared without white space."""

    previous: str = Field(description="Id of the version before.")
    version: int = Field(ge=1, description="Its number.")
    added: int = Field(ge=0)
    removed: int = Field(ge=0)
    relabelled: int = Field(ge=0, description="Functions in both that have another label.")
    moved: int = Field(ge=0, description="Functions in both that are in another split.")
    unchanged: int = Field(ge=0, description="Functions in both with the same label and split.")
    settings: list[SettingChange] = Field(default_factory=list)


class DatasetSummary(Document):
    """Summary of a prepared data set."""

    id: Sha256
    path: str = Field(description="Relative to the output folder.")
    rows: int = Field(ge=1)
    splits: dict[str, SplitSummary]
    warnings: list[str]
    bag_of_tokens_f1: Probability | None
    probes: list[Baseline] = Field(
        default_factory=list, description="Scores on gate of classifiers without understanding."
    )
    near_duplicates: dict[str, NearDuplicates] = Field(default_factory=dict, description="By split; train has none.")
    composition: dict[str, SplitComposition] = Field(
        default_factory=dict, description="By split: what it shares with train, and how it differs."
    )
    graph_quality: dict[str, int]
    evaluation: EvaluationSplits | None = Field(None, description="Splits of a set that is for evaluation only.")
    changes: DatasetChanges | None = Field(None, description="Against the version before; null: the first.")


class LineWeight(Document):
    """How much some lines of a function added to the log-odds of its being vulnerable; lines from 1."""

    start_line: int = Field(ge=1)
    end_line: int = Field(ge=1)
    log_odds: Finite


class FunctionScore(Document):
    """A bundle's score of one function."""

    probability: Probability
    vulnerable: bool = Field(description="Whether the probability is at or above the threshold.")
    abstains: bool = Field(
        False, description="Whether the probability is too near the threshold for the risk that the policy states."
    )
    graph_quality: str | None = Field(description="parsed, partial or token_chain.")
    text_truncated: bool = Field(description="Whether the text model saw only the function's head and tail.")
    graph_truncated: bool = Field(description="Whether the graph model saw only the function's first nodes.")
    weights: list[LineWeight] | None = Field(description="The heaviest first; null unless requested.")


class Scores(Document):
    """A bundle's scores, in the order in which the functions were sent."""

    bundle: Sha256
    threshold: Probability
    functions: list[FunctionScore]


class TrainingOverlap(Document):
    """What the functions that a detector is judged by share with those that it learnt from: train, dev and fuse."""

    functions: int = Field(ge=0, description="Functions that it learnt from.")
    exact: int = Field(ge=0, description="Judged functions that are among them, white space apart.")
    near: int = Field(ge=0, description="Others with a near-duplicate among them, also a renamed one.")
    near_complete: bool = Field(description="Whether all near-duplicates were looked for; there may be too many.")
    same_project: int = Field(ge=0, description="Judged functions of a project that it learnt from.")
    projects: list[str] = Field(description="These projects.")
    same_commit: int = Field(ge=0, description="Judged functions of a commit that it learnt from.")


class SinceCutoff(Document):
    """Scores on what is newer than the last day of which a pretrained model may have read."""

    cutoff: Day = Field(description="The day, as it was stated.")
    older: int = Field(ge=0, description="Judged functions of this day or before, which pretraining may have seen.")
    undated: int = Field(ge=0, description="Judged functions of which no date is known.")
    newer: Metrics | None = Field(description="On all others alone; null where there is none.")
    f1_interval: Interval | None = Field(description="Of F1 on the newer ones; null where there is none.")


class Evaluation(Document):
    """How a detector does on a data set; every interval is by resampling groups."""

    overlap: TrainingOverlap | None = Field(description="Null: what the detector was trained on is not known.")
    since_cutoff: SinceCutoff | None = Field(None, description="Null: no cut-off was stated.")
    detector: Sha256 = Field(description="Id of the bundle, or hash of the file of scores.")
    splits: list[Split] = Field(description="That the judged functions are in: gate and test, those that there are.")
    groups: int = Field(ge=1)
    threshold: Probability
    metrics: Metrics
    f1_interval: Interval
    unseen: Metrics | None = Field(
        description="Without functions that have an exact or near duplicate in training; null where none or all have."
    )
    pair_verdicts: PairVerdicts | None = Field(description="Null without a whole pair.")
    baselines: list[Baseline] = Field(description="Classifiers without understanding, on the data set's gate split.")
    slices: list[KindEvidence] = Field(description="Accuracy by weakness and project.")


class RunResult(Document):
    """The whole of `result.json`."""

    schema_version: Literal[1]
    cell: CellName
    seed: int = Field(ge=0)
    spec_hash: Sha256
    dataset_id: Sha256
    started_at: float = Field(description="Seconds since the epoch.")
    timings_s: dict[str, NonNegative]
    memory: Memory
    environment: Environment
    warnings: list[str] = Field(default_factory=list)
    artifacts: dict[str, Sha256] = Field(description="Every file beside result.json that matters, by relative path.")
    # Cells 51 to 53
    metrics: dict[str, Metrics] = Field(default_factory=dict, description="By split.")
    truncation: dict[str, Truncation] = Field(default_factory=dict, description="By split; of cells 51 and 52.")
    margins: list[MarginScores] = Field(
        default_factory=list, description="Of cells 51 to 53, the least first: what abstention within each leaves."
    )
    best_epoch: int | None = Field(None, ge=0)
    epochs: int | None = Field(None, ge=0)
    steps: int | None = Field(None, ge=0)
    skipped_steps: int | None = Field(None, ge=0, description="Optimizer steps that a scaler overflow skipped.")
    parameters: int | None = Field(None, ge=1)
    threshold: Probability | None = None
    temperature: float | None = Field(None, gt=0, allow_inf_nan=False)
    recipe: ResolvedRecipe | None = Field(None, description="Of cell 51.")
    learning_rate: LearningRateOutcome | None = None
    collapses: list[Collapse] = Field(default_factory=list, description="Collapses that the chosen model still shows.")
    collapse_events: int | None = Field(
        None, ge=0, description="Collapses seen in all of training, those that it got over included; see events.jsonl."
    )
    # The other cells
    inspection: Inspection | None = None
    dataset: DatasetSummary | None = None
    checks: list[Check] = Field(default_factory=list)
    needs: dict[str, PredictedNeed] = Field(default_factory=dict, description="Of a pre-flight, by cell.")
    evidence: Evidence | None = None
    bundle: BundleSummary | None = None
    scores: Scores | None = None
    evaluation: Evaluation | None = None


def result_schema() -> dict[str, Any]:
    """Return the published JSON Schema of `result.json` (draft 2020-12)."""
    return RunResult.model_json_schema()


def read_result(path: Path) -> RunResult:
    """Read a result from disk and validate it.

    Raises:
        OSError: It cannot be read, or is no regular file.
        ValueError: It has more than 64 MiB, is not JSON, or breaks the schema (a pydantic.ValidationError says where).
    """
    return RunResult.model_validate(read_document(path))
