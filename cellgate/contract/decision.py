"""Decisions and overrulings as stored and returned (the rule is in `service.domain.decision.rules`)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import GateReport
from cellgate.contract.options import Option
from cellgate.contract.results import RunResult

DecisionOutcome = Literal["ensemble", "single", "fusion", "train_fusion", "improve"]
Stage = Literal["bases", "final"]


class Decision(BaseModel):
    """What to ship, or what to do next; immutable once taken."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    experiment: str
    stage: Stage = Field(description="bases: after 51 and 52; final: after fusion too.")
    outcome: DecisionOutcome
    option: Option | None = Field(description="What is shipped; null while fusion is to be trained or for improve.")
    seeds: list[int] = Field(
        default_factory=list, description="Seeds of the shipped option: the one that was best on dev, or all together."
    )
    confidence: Literal["clear", "borderline"]
    rule: str = Field(description="The rule that gave the answer, with its numbers.")
    reasons: list[str] = Field(description="The evidence in plain words.")
    next_steps: list[str]
    evidence: Evidence | None
    evidence_hash: str | None = Field(description="sha256 of the canonical evidence that this was computed from.")


class Overruling(BaseModel):
    """A person's own decision, stored beside the computed one, which stays."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    stage: Stage = Field(description="Of the decision that it overrules.")
    outcome: DecisionOutcome
    option: Option | None = Field(description="What is shipped; null when nothing is.")
    reason: str
    by: str = Field(description="Name of the token, or `local` where none is required.")
    at: float = Field(description="Seconds since the epoch.")


class DecisionInputs(BaseModel):
    """What a decision was computed from besides its evidence, as it was then: waivers may change the gate later."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    gate: GateReport
    policy: Policy


class DecisionAnswer(Decision):
    """A decision with people's overrulings; the last of them counts."""

    overrulings: list[Overruling] = Field(default_factory=list)
    taken_at: float | None = Field(None, description="Seconds since the epoch; a decision does not know later waivers.")
    known: DecisionInputs | None = Field(
        None, description="Gate and policy as the decision knew them; null for decisions of release 0.2.0 and before."
    )


class AttemptName(BaseModel):
    """One attempt at a run."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    run: str
    attempt: int


class StoredDecisions(BaseModel):
    """An experiment's decisions with everything that they were computed from.

    `cellgate decision verify` hands it to `python -m service.commands.decision_check`.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    decisions: list[DecisionAnswer]
    gate: GateReport
    policy: Policy
    results: list[RunResult] = Field(description="Of every run of the experiment that succeeded and counts.")
    evaluations: list[AttemptName] = Field(description="Finished runs of cell 54.")
