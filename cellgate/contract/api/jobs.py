"""Requests and answers about jobs."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer, CellName, DatasetId, ExperimentId, Request
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.configs import (
    AggregationConfig,
    FusionConfig,
    GnnConfig,
    PrepareConfig,
    Spec,
    TransformerConfig,
)
from cellgate.contract.experiment import Seeds
from cellgate.contract.results import Check
from cellgate.contract.run_limits import RunLimits
from cellgate.contract.specs import BundleKind, Explain
from cellgate.contract.states import JobState


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


class PreflightConfig(Spec):
    """What a pre-flight takes through one real batch."""

    transformer: TransformerConfig | None = None
    gnn: GnnConfig | None = None
    fusion: FusionConfig | None = None


class PackConfig(Spec):
    """What is packed into a bundle."""

    kind: BundleKind
    runs: list[str] = Field(description="Runs of cells 51 to 53.")
    text_weight: float | None = None
    licence_notes: str | None = None
    tolerance: float


class ScoreConfig(Spec):
    """What a bundle scores."""

    bundle: str
    functions: list[str]
    threshold: float | None = None
    explain: Explain


JobConfig = (
    TransformerConfig
    | GnnConfig
    | FusionConfig
    | AggregationConfig
    | PrepareConfig
    | PreflightConfig
    | PackConfig
    | ScoreConfig
)


class JobAnswer(Answer):
    """A job with its runs."""

    id: str
    experiment: str | None
    dataset: str
    step: str | None
    cell: CellName
    state: JobState
    seeds: list[int]
    spec: Annotated[dict[str, Any], StoredAs(JobConfig)] = Field(description="The config of its cell.")
    priority: int
    queue: str
    queue_timeout_s: float | None
    timeout_s: float | None
    runs: list[RunAnswer]
    created_at: AwareDatetime


class PreflightCreate(Request, RunLimits):
    """Check configs on a data set; `smoke` takes each through one real batch of every stage on a worker."""

    dataset: DatasetId
    mode: Literal["smoke", "static"] = "smoke"
    transformer: TransformerConfig | None = None
    gnn: GnnConfig | None = None
    fusion: FusionConfig | None = Field(None, description="Tried on the two models above, which it needs.")


class PreflightAnswer(Answer):
    """What is known at once, and the job that finds out the rest."""

    verdict: Literal["pass", "warn", "fail"] = Field(description="The worst of the checks.")
    checks: list[Check] = Field(description="Of what is known of the data set.")
    job: JobAnswer | None = Field(description="Its run's result has the checks of a smoke pre-flight.")
