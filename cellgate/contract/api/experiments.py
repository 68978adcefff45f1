"""Requests and answers about experiments, their gates and their decisions."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, computed_field

from cellgate.contract.api.common import Answer, DatasetId, LabelMap, Name, OwnerId, OwnerName, Reason, Request
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.pipelines import BestF1, ExperimentWaiting, StepAnswer
from cellgate.contract.api.resources import Described
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.conclusion import Conclusion, Lifecycle, lifecycle_of
from cellgate.contract.decision import DecisionOutcome, Stage
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import ExperimentSpec, Seeds
from cellgate.contract.report import SeedReport
from cellgate.contract.states import ExperimentState


class ExperimentCreate(Request, ExperimentSpec):
    """The whole pipeline: pre-flight, 51 and 52 over the seeds, gate, decision, fusion if it is due, evidence."""

    name: Name
    dataset: DatasetId
    labels: LabelMap = Field(
        default_factory=dict,
        description="Labels; lists filter by them with `?label=key:value`.",
        examples=[{"team": "core"}],
    )


class SeedsCreate(Request):
    """Seeds to add to an experiment: a new experiment over all of them, beside the one that has decided."""

    seeds: Seeds = Field(description="Seeds that the experiment does not have.", examples=[[3, 4]])
    name: Name | None = Field(None, description="Name of the new experiment. Default: that of the other.")


class WaiverCreate(Request):
    """Waive a failed check of the gate."""

    check: Name = Field(description="Name of the check, as the gate's report has it.")
    reason: Reason


class OverrulingCreate(Request):
    """Overrule the computed decision."""

    outcome: Literal["ensemble", "single", "fusion", "improve"]
    option: Literal["transformer", "gnn"] | None = Field(None, description="Needed for `single`, and only there.")
    reason: Reason


class _ExperimentEnd(Answer):
    """What every answer about an experiment says of its end."""

    id: str
    state: ExperimentState = Field(
        description="The step that it waits for, or that nothing more runs. `succeeded` and `failed` say nothing about "
        "what came of it: read `lifecycle` and `conclusion`."
    )
    conclusion: Conclusion | None = Field(None, description="What came of it; null until it has ended.")
    paused: bool = Field(
        False, description="Whether a person has paused it: its runs wait, and what it starts meanwhile begins paused."
    )
    gate_verdict: Literal["pending", "pass", "fail"]
    finished_at: AwareDatetime | None

    @computed_field(description="Whether it goes on.")  # type: ignore[prop-decorator]
    @property
    def lifecycle(self) -> Lifecycle:
        """Whether it goes on."""
        return lifecycle_of(self.state)


_DECIDED = Field(
    description="Deprecated, use `conclusion`: what the last decision says, or the person who overruled it.",
    json_schema_extra={"deprecated": True},
)


class ExperimentAnswer(Described, _ExperimentEnd):
    """An experiment with its pipeline: the jobs in the order of their steps."""

    name: str
    dataset: str
    autopilot: bool
    seeds: list[int]
    extends: str | None = Field(
        None, description="Experiment that this one repeats with more seeds, `POST /v1/experiments/{id}/seeds`."
    )
    labels: dict[str, str]
    spec: Annotated[dict[str, Any], StoredAs(ExperimentSpec)] = Field(description="The submitted spec.")
    jobs: list[JobAnswer]
    outcome: DecisionOutcome | None = _DECIDED
    failure_detail: str | None
    owner: OwnerName = None
    owner_id: OwnerId = None
    created_at: AwareDatetime


class ExperimentSummary(Described, _ExperimentEnd):
    """An experiment in a list."""

    name: str
    dataset: str
    dataset_name: str
    outcome: DecisionOutcome | None = _DECIDED
    overruled_by: str | None = Field(description="Who overruled the computed answer; null where that counts.")
    computed: str | None = Field(description="The computed answer in words, where a person overruled it.")
    f1: BestF1 | None = Field(description="Of the best option; null before the first seed of cell 51 or 52 is done.")
    gate_f1: float = Field(description="Mean F1 of cells 51 and 52 must be above this.")
    steps: list[StepAnswer] = Field(description="In the order of the pipeline.")
    progress: float | None = Field(
        ge=0, le=1, description="Share of the work of all its steps that is done; null where no step is planned yet."
    )
    eta_s: float | None = Field(
        description="Estimated seconds until its last step ends; null once it has ended, while it waits, and where "
        "nothing is known of a step's length."
    )
    waiting: ExperimentWaiting | None = Field(description="Why nothing moves; null while a run of it is at work.")
    took_s: float | None = Field(description="Seconds from its creation to its end; null until then.")
    labels: dict[str, str]
    runs_done: int
    runs_total: int
    owner: OwnerName = None
    owner_id: OwnerId = None
    created_at: AwareDatetime


class ExperimentStatus(_ExperimentEnd):
    """State of an experiment."""

    failure_detail: str | None


class OverSeeds(Answer):
    """The newest output of cell 54."""

    experiment: str
    stage: Stage = Field(description="bases: 51 and 52; final: fusion too.")
    run: str = Field(description="Run of cell 54 that computed it.")


class AggregateAnswer(OverSeeds):
    """Evidence of cell 54 over the seeds."""

    evidence: Evidence


class ReportAnswer(OverSeeds):
    """Report of cell 54: the evidence and its values seed by seed."""

    report: SeedReport


class ChangedSetting(Answer):
    """A setting with two values."""

    pointer: str = Field(description="JSON pointer into the spec; `/dataset` is the data set.")
    value: Any = Field(description="In this experiment; null where it has none.")
    other: Any = Field(description="In what it is compared with; null where that has none.")


class ConfigAnswer(Answer):
    """The spec of an experiment, and what of it differs from another one or from the defaults."""

    experiment: str
    against: str = Field(description="`defaults`, or the id of the other experiment.")
    changed: list[ChangedSetting] = Field(description="Settings that differ, by pointer.")
    spec: Annotated[dict[str, Any], StoredAs(ExperimentSpec)] = Field(description="The whole spec.")
