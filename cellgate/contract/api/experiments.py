"""Requests and answers about experiments, their gates and their decisions."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer, DatasetId, LabelMap, Name, Reason, Request
from cellgate.contract.api.jobs import JobAnswer
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.decision import DecisionOutcome
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.report import SeedReport
from cellgate.contract.states import ExperimentState


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


class ExperimentAnswer(Answer):
    """An experiment with its pipeline: the jobs in the order of their steps."""

    id: str
    name: str
    dataset: str
    state: ExperimentState
    autopilot: bool
    seeds: list[int]
    labels: dict[str, str]
    spec: Annotated[dict[str, Any], StoredAs(ExperimentSpec)] = Field(description="What it was asked to do.")
    jobs: list[JobAnswer]
    gate_verdict: Literal["pending", "pass", "fail"]
    outcome: DecisionOutcome | None = Field(description="Of the last decision.")
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
    outcome: DecisionOutcome | None
    labels: dict[str, str]
    runs_done: int
    runs_total: int
    created_at: AwareDatetime
    finished_at: AwareDatetime | None


class ExperimentStatus(Answer):
    """Where an experiment is, and nothing more."""

    id: str
    state: ExperimentState
    gate_verdict: Literal["pending", "pass", "fail"]
    failure_detail: str | None
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
