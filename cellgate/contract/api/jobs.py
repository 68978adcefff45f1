"""Requests and answers about jobs."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AwareDatetime, Field, computed_field, create_model

from cellgate.contract.api.common import Answer, DatasetId, ExperimentId, OwnerId, OwnerName, Request
from cellgate.contract.api.resources import Described
from cellgate.contract.api.runs import RunAnswer
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.cells import CELLS, SUBMITTED, CellEntry, CellName, Submission, one_of
from cellgate.contract.conclusion import JobConclusion, Lifecycle, conclude_job, lifecycle_of
from cellgate.contract.configs import (
    FusionConfig,
    GnnConfig,
    PrepareConfig,
    Spec,
    TransformerConfig,
)
from cellgate.contract.experiment import Fresh, Queue, RunLimits, Seeds
from cellgate.contract.results import Check
from cellgate.contract.specs import BundleKind, Explain
from cellgate.contract.states import JobState


class JobBody(Request, RunLimits):
    """The fields that jobs of all cells have."""

    cell: int


class DatasetJob(JobBody):
    """A cell that runs on a data set, alone or as a step of an experiment."""

    experiment: ExperimentId | None = Field(None, description="Run this cell as a step of an experiment.")
    seeds: Seeds | None = Field(None, description="Default: the experiment's, or 0, 1, 2.")
    fresh: Fresh = False
    dataset: DatasetId | None = Field(None, description="Needed without an experiment.")


class ExperimentJob(JobBody):
    """A cell that runs on each seed of an experiment."""

    experiment: ExperimentId
    seeds: Seeds | None = Field(None, description="Default: the experiment's, or 0, 1, 2.")
    fresh: Fresh = False


class SingleJob(JobBody):
    """A cell that runs once, over all seeds of an experiment."""

    experiment: ExperimentId


_JOB_OF: dict[Submission, type[JobBody]] = {
    Submission.DATASET: DatasetJob,
    Submission.EXPERIMENT: ExperimentJob,
    Submission.ONCE: SingleJob,
}


def _job_body(entry: CellEntry) -> type[JobBody]:
    """Return the body of a cell's job: data set or experiment, seeds, and the fields of its config."""
    if entry.submission is None or entry.config is None:
        raise ValueError(f"cell {entry.label} has no job of its own: give it a submission and a config")
    fields: dict[str, Any] = {
        "cell": (entry.config.model_fields["cell"].annotation, ...),
        "queue": (Queue, entry.queue),
    }
    bases: tuple[Any, ...] = (_JOB_OF[entry.submission], entry.config)
    return create_model(
        f"{entry.name.capitalize()}JobCreate",
        __base__=bases,
        __doc__=f"Cell {entry.cell.value}. Needs {entry.needs}.",
        **fields,
    )


if TYPE_CHECKING:
    # A type checker cannot follow the registry; of each body it needs no more than what every job of its kind has.
    JobCreate = DatasetJob | ExperimentJob | SingleJob
else:
    JobCreate = one_of(*(_job_body(entry) for entry in SUBMITTED))


class JobRetry(Request):
    """How a job is tried again; without a body, as it was."""

    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Peak learning rate of a new job that takes this one's place and trains all its seeds; cells 51 to "
        "53. Null: new runs of the same job.",
    )


class PreflightConfig(Spec):
    """Configs that a pre-flight takes through one real batch."""

    transformer: TransformerConfig | None = None
    gnn: GnnConfig | None = None
    fusion: FusionConfig | None = None


class PackConfig(Spec):
    """Runs and options of a bundle."""

    kind: BundleKind
    runs: list[str] = Field(description="Runs of cells 51 to 53.")
    text_weight: float | None = None
    licence_notes: str | None = None
    deployment_prevalence: float | None = None
    alerts_per_1000: float | None = None
    selective_risk: float | None = None
    tolerance: float


class ScoreConfig(Spec):
    """Functions to score with a bundle."""

    bundle: str
    functions: list[str]
    threshold: float | None = None
    explain: Explain


class EvaluateConfig(Spec):
    """A detector to judge."""

    bundle: str | None = None
    scores: str | None = None
    threshold: float | None = None
    cutoff: str | None = None


class InspectConfig(PrepareConfig):
    """A source to show the reading of."""

    source: list[str]


_OF_CELLS = dict.fromkeys(entry.config for entry in CELLS if entry.config is not None)
JobConfig: Any = reduce(or_, (*_OF_CELLS, PreflightConfig, PackConfig, ScoreConfig, EvaluateConfig, InspectConfig))


class JobAnswer(Described):
    """A job with its runs."""

    id: str
    name: str | None = Field(None, description="Name that a person gave it.")
    experiment: str | None
    dataset: str | None = Field(description="Null: an inspection, which is of no data set.")
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
    owner: OwnerName = None
    owner_id: OwnerId = None
    created_at: AwareDatetime

    @computed_field(description="Whether it goes on.")  # type: ignore[prop-decorator]
    @property
    def lifecycle(self) -> Lifecycle:
        """Whether it goes on."""
        return lifecycle_of(self.state)

    @computed_field(description="What came of it; null until it has ended.")  # type: ignore[prop-decorator]
    @property
    def conclusion(self) -> JobConclusion | None:
        """What came of it; None until it has ended."""
        return conclude_job(run.state for run in self.runs)


class PreflightCreate(Request, RunLimits):
    """Check configs on a data set; `smoke` takes each through one real batch of every stage on a worker."""

    dataset: DatasetId
    mode: Literal["smoke", "static"] = "smoke"
    transformer: TransformerConfig | None = None
    gnn: GnnConfig | None = None
    fusion: FusionConfig | None = Field(
        None, description="Configs of fusion, which is checked on the two models above."
    )


class PreflightAnswer(Answer):
    """Checks that need no worker, and the job that runs the others."""

    verdict: Literal["pass", "warn", "fail"] = Field(description="The worst of the checks.")
    checks: list[Check] = Field(description="Checks of the data set's summary.")
    job: JobAnswer | None = Field(description="Its run's result has the checks of a smoke pre-flight.")
