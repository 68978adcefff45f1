"""What the API accepts and answers; the same words as in SQL and on screen."""

import re
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from cellgate.contract.configs import AggregationConfig, FusionConfig, GnnConfig, PrepareConfig, TransformerConfig
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import ExperimentSpec, Seeds
from cellgate.contract.identifiers import DATASET_ID, EXPERIMENT_ID
from cellgate.contract.report import SeedReport
from cellgate.contract.run_limits import RunLimits
from cellgate.contract.states import DatasetState, ExperimentState, FailureReason, JobState, RunState
from cellgate.contract.waiting import WaitingReason

# What the patterns say is that spaces around it do not count.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"\S")]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=10, max_length=2000, pattern=r"\S[\s\S]{8,}\S"),
    Field(description="Stays on record and is shown with it; 10 characters or more."),
]
DatasetId = Annotated[str, StringConstraints(pattern=DATASET_ID)]
ExperimentId = Annotated[str, StringConstraints(pattern=EXPERIMENT_ID)]
# A number would be read as seconds since the epoch.
TIME = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$"


def _written(found: Any) -> Any:
    if not isinstance(found, str) or not re.match(TIME, found):
        expected = "expected a time as in RFC 3339, with an offset, such as 2026-01-31T00:00:00Z"
        raise PydanticCustomError("time_written", expected)
    return found


Time = Annotated[AwareDatetime, BeforeValidator(_written)]
LABEL_KEY = r"[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?"
LABEL_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
LabelMap = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=rf"^{LABEL_KEY}$")],
        Annotated[str, StringConstraints(pattern=rf"^{LABEL_VALUE}$")],
    ],
    Field(max_length=16, json_schema_extra={"additionalProperties": False}),
]
CellName = Literal["prepare", "preflight", "pack", "score"] | Literal[51, 52, 53, 54]


class Request(BaseModel):
    """Base of what is accepted: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(frozen=True)


class DatasetCreate(Request, PrepareConfig):
    """Prepare a data set from a file below one of the server's data roots."""

    name: Name
    source: str = Field(description="Path of a .jsonl, .json or .csv file, also with .gz, below a data root.")
    graphs: str | None = Field(
        None,
        description="Ready graphs, named by the functions' ids, below a data root: a folder of PyG `<id>.pt` files, or "
        "a .jsonl or .jsonl.gz file of nodes and edges; functions without one get ours. See docs/data.md.",
    )


class ExperimentCreate(Request, ExperimentSpec):
    """The whole pipeline: pre-flight, 51 and 52 over the seeds, gate, decision, fusion if it is due, evidence."""

    name: Name
    dataset: DatasetId
    labels: LabelMap = Field(
        default_factory=dict,
        description="What it is found by in lists, as `?label=key:value`.",
        examples=[{"team": "core"}],
    )


class WaiverCreate(Request):
    """Let a failed check of the gate pass."""

    check: Name = Field(description="Name of the check, as the gate's report has it.")
    reason: Reason


class OverrulingCreate(Request):
    """Put another answer beside the computed decision."""

    outcome: Literal["ensemble", "single", "fusion", "improve"]
    option: Literal["transformer", "gnn"] | None = Field(None, description="Needed for `single`, and only there.")
    reason: Reason


class JobFields(Request, RunLimits):
    """What every job may say besides its config."""

    experiment: ExperimentId | None = Field(None, description="Run this cell as a step of an experiment.")
    seeds: Seeds | None = Field(None, description="Default: the experiment's, or 0, 1, 2.")


class TransformerJobCreate(JobFields, TransformerConfig):
    """Cell 51, alone on a data set or as a step of an experiment."""

    cell: Literal[51]
    dataset: DatasetId | None = Field(None, description="Needed without an experiment.")


class GnnJobCreate(JobFields, GnnConfig):
    """Cell 52, alone on a data set or as a step of an experiment."""

    cell: Literal[52]
    dataset: DatasetId | None = Field(None, description="Needed without an experiment.")


class FusionJobCreate(JobFields, FusionConfig):
    """Cell 53, over the bases of an experiment whose gate has passed."""

    cell: Literal[53]
    experiment: ExperimentId


class AggregationJobCreate(Request, RunLimits, AggregationConfig):
    """Cell 54, over all finished runs of an experiment."""

    cell: Literal[54]
    experiment: ExperimentId


JobCreate = Annotated[
    TransformerJobCreate | GnnJobCreate | FusionJobCreate | AggregationJobCreate, Field(discriminator="cell")
]


class DatasetAnswer(Answer):
    """A data set."""

    id: str
    name: str
    state: DatasetState
    source: str
    graphs: str | None = Field(description="Ready graphs, if any were given.")
    content_hash: str | None
    summary: dict[str, Any] | None = Field(description="cellgate.contract.results.DatasetSummary, once ready.")
    failure_detail: str | None
    run: str | None = Field(description="The run that prepares it.")
    created_at: AwareDatetime


class Progress(Answer):
    """How far a run is."""

    phase: str | None
    steps_done: int | None
    steps_total: int | None
    epoch: int | None
    epochs: int | None
    eta_s: float | None


class WaitingAnswer(Answer):
    """What a run waits for."""

    reason: WaitingReason
    detail: str = Field(description="The reason in words.")
    ahead: int | None = Field(description="Queued runs of its queue whose turn comes before; null while paused.")


class RunAnswer(Answer):
    """A run."""

    id: str
    job: str
    experiment: str | None
    cell: CellName
    seed: int
    state: RunState
    waiting: WaitingAnswer | None = Field(description="While it is queued or paused.")
    attempt: int
    superseded_by: str | None = Field(description="The run that counts in its place, once it was tried again.")
    worker: str | None
    queue: str
    progress: Progress
    f1: float | None = Field(description="On the gate split, once there is a result.")
    exit_code: int | None
    failure_reason: FailureReason | None
    failure_detail: str | None
    result: dict[str, Any] | None = Field(description="result.json; only where one run is asked for.")
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None


class JobAnswer(Answer):
    """A job with its runs."""

    id: str
    experiment: str | None
    dataset: str
    step: str | None
    cell: CellName
    state: JobState
    seeds: list[int]
    spec: dict[str, Any]
    priority: int
    queue: str
    queue_timeout_s: float | None
    timeout_s: float | None
    runs: list[RunAnswer]
    created_at: AwareDatetime


class ExperimentAnswer(Answer):
    """An experiment with its pipeline: the jobs in the order of their steps."""

    id: str
    name: str
    dataset: str
    state: ExperimentState
    autopilot: bool
    seeds: list[int]
    labels: dict[str, str]
    spec: dict[str, Any]
    jobs: list[JobAnswer]
    gate_verdict: Literal["pending", "pass", "fail"]
    outcome: str | None = Field(description="Of the last decision.")
    failure_detail: str | None
    created_at: AwareDatetime
    finished_at: AwareDatetime | None


class ExperimentSummary(Answer):
    """An experiment in a list."""

    id: str
    name: str
    dataset: str
    state: ExperimentState
    gate_verdict: Literal["pending", "pass", "fail"]
    outcome: str | None
    labels: dict[str, str]
    runs_done: int
    runs_total: int
    created_at: AwareDatetime
    finished_at: AwareDatetime | None


class OverSeeds(Answer):
    """What cell 54 has left, the newest."""

    experiment: str
    stage: Literal["bases", "final"] = Field(description="bases: 51 and 52; final: fusion too.")
    run: str = Field(description="The run of cell 54.")


class AggregateAnswer(OverSeeds):
    """What cell 54 has weighed, over the seeds."""

    evidence: Evidence


class ReportAnswer(OverSeeds):
    """What cell 54 has weighed, and what lies behind it."""

    report: SeedReport


class ExperimentStatus(Answer):
    """Where an experiment is, and nothing more."""

    id: str
    state: ExperimentState
    gate_verdict: Literal["pending", "pass", "fail"]
    failure_detail: str | None
    finished_at: AwareDatetime | None


class RunStatus(Answer):
    """Where a run is, and nothing more."""

    id: str
    state: RunState
    attempt: int
    progress: Progress
    failure_reason: FailureReason | None
    finished_at: AwareDatetime | None


T = TypeVar("T")


class Page(Answer, Generic[T]):
    """A page of a list, newest first; `next` is the cursor of the following one."""

    items: list[T]
    next: str | None


class Curve(Answer):
    """One metric of one run, by step."""

    key: str
    steps: list[int]
    values: list[float]
    points: int = Field(description="That were measured; more than are here where `max_points` thinned them.")


class MetricsAnswer(Answer):
    """A run's curves."""

    run: str
    curves: list[Curve]


class EventAnswer(Answer):
    """One event of a run or an experiment."""

    id: int
    run: str | None
    attempt: int | None
    kind: str
    at: AwareDatetime
    body: dict[str, Any]


class WorkerAnswer(Answer):
    """A worker."""

    id: str
    queues: list[str]
    slots: int
    alive: bool = Field(description="Whether it was heard of in the last 30 s.")
    draining: bool = Field(description="Whether it takes no more runs; a new start of the worker ends that.")
    runs: list[str] = Field(description="Runs that it has at work.")
    heartbeat_at: AwareDatetime


class UploadAnswer(Answer):
    """A file that the service keeps."""

    source: str = Field(description="For `source` of POST /v1/datasets.")
    size_bytes: int
    sha256: str


class ComparisonAnswer(Answer):
    """Runs side by side; every list is in the order of `runs`."""

    runs: list[RunAnswer]
    config: dict[str, list[Any]] = Field(
        description="Settings that are not the same in all of them, by JSON pointer; null where a run has none."
    )
    metrics: dict[str, list[float | None]] = Field(description="By split and name, as in `gate/f1`.")
