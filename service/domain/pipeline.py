"""The rule of the pipeline: the next step of an experiment, from the facts about it. Pure.

data set → preflight → 51 and 52 → gate → 54-bases → decision → 53 → 54-final → last decision

With `autopilot` every step starts by itself; without it none does, but gate and decisions are still computed as soon
as what they need is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cellgate.contract.decision import DecisionOutcome, Stage
from cellgate.contract.states import DatasetState, ExperimentState, JobState


class Step(StrEnum):
    """The jobs of an experiment, in the order in which they come."""

    PREFLIGHT = "preflight"
    TRANSFORMER = "51"
    GNN = "52"
    EVIDENCE_BASES = "54-bases"
    FUSION = "53"
    EVIDENCE_FINAL = "54-final"


# The models that every experiment trains, and that fusion joins.
BASES = (Step.TRANSFORMER, Step.GNN)


@dataclass(frozen=True, kw_only=True)
class StepFacts:
    """The facts about one job.

    Args:
        finished_seeds: Seeds whose run has succeeded.
        detail: Why it failed, in plain words.
    """

    state: JobState
    finished_seeds: frozenset[int] = frozenset()
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts about an experiment that has not ended.

    Args:
        steps: The jobs that exist.
        gate_known: Whether the gate's report has been frozen.
        outcomes: The decisions taken so far.
    """

    autopilot: bool
    dataset: DatasetState
    dataset_detail: str = ""
    steps: Mapping[Step, StepFacts] = field(default_factory=dict)
    gate_known: bool = False
    outcomes: Mapping[Stage, DecisionOutcome] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing to do now; the experiment is in this state."""

    state: ExperimentState


@dataclass(frozen=True, kw_only=True)
class Start:
    """Create the job of this step."""

    step: Step


@dataclass(frozen=True, kw_only=True)
class EvaluateGate:
    """Compute the gate's report and freeze it."""


@dataclass(frozen=True, kw_only=True)
class Decide:
    """Take this stage's decision.

    Args:
        evidence: The step whose result is the evidence; None when there is none to be had.
    """

    stage: Stage
    evidence: Step | None


@dataclass(frozen=True, kw_only=True)
class End:
    """End the experiment."""

    state: ExperimentState
    detail: str = ""


Action = Wait | Start | EvaluateGate | Decide | End


def shared_seeds(facts: Facts, *steps: Step) -> frozenset[int]:
    """Return the seeds that have finished in every one of these steps."""
    found = [facts.steps[step].finished_seeds if step in facts.steps else frozenset() for step in steps]
    return frozenset.intersection(*found)


def next_action(facts: Facts) -> Action:
    """Return the one thing to do next; the caller does it and calls again until it gets Wait or End."""
    return _before_training(facts) or _training(facts) or _bases(facts) or _fusion(facts)


def _before_training(facts: Facts) -> Action | None:
    if facts.dataset is DatasetState.PREPARING:
        return Wait(state=ExperimentState.WAITING)
    if facts.dataset is DatasetState.FAILED:
        return End(state=ExperimentState.FAILED, detail=f"the data set could not be prepared: {facts.dataset_detail}")
    if Step.PREFLIGHT not in facts.steps:
        return Start(step=Step.PREFLIGHT) if facts.autopilot else None
    return _await(facts, Step.PREFLIGHT, ExperimentState.PREFLIGHT, "pre-flight")


def _training(facts: Facts) -> Action | None:
    bases = (Step.TRANSFORMER, Step.GNN)
    for step in bases:
        if step not in facts.steps and facts.autopilot:
            return Start(step=step)
    if not all(step in facts.steps and facts.steps[step].state.terminal for step in bases):
        return Wait(state=ExperimentState.TRAINING)
    return None if facts.gate_known else EvaluateGate()


def _bases(facts: Facts) -> Action | None:
    outcome = facts.outcomes.get("bases")
    if outcome is not None:
        # A person may have started fusion before this was decided: then it is weighed too.
        goes_on = outcome == "train_fusion" or Step.FUSION in facts.steps
        return None if goes_on else End(state=ExperimentState.SUCCEEDED)
    if not shared_seeds(facts, Step.TRANSFORMER, Step.GNN):
        return Decide(stage="bases", evidence=None)
    if Step.EVIDENCE_BASES not in facts.steps:
        if facts.autopilot:
            return Start(step=Step.EVIDENCE_BASES)
        # A person may start fusion as soon as the gate has passed.
        return None if Step.FUSION in facts.steps else Wait(state=ExperimentState.DECIDING)
    waits = _await(facts, Step.EVIDENCE_BASES, ExperimentState.DECIDING, "the evidence over 51 and 52")
    return waits or Decide(stage="bases", evidence=Step.EVIDENCE_BASES)


def _fusion(facts: Facts) -> Action:
    if "final" in facts.outcomes:
        return End(state=ExperimentState.SUCCEEDED)
    if Step.FUSION not in facts.steps:
        return Start(step=Step.FUSION) if facts.autopilot else Wait(state=ExperimentState.FUSING)
    fusion = facts.steps[Step.FUSION]
    if not fusion.state.terminal:
        return Wait(state=ExperimentState.FUSING)
    if not fusion.finished_seeds:
        if "bases" in facts.outcomes:
            return Decide(stage="final", evidence=Step.EVIDENCE_BASES)
        return End(state=ExperimentState.FAILED, detail=f"fusion failed on every seed: {fusion.detail}")
    if Step.EVIDENCE_FINAL not in facts.steps:
        return Start(step=Step.EVIDENCE_FINAL) if facts.autopilot else Wait(state=ExperimentState.CONCLUDING)
    waits = _await(facts, Step.EVIDENCE_FINAL, ExperimentState.CONCLUDING, "the evidence with fusion")
    return waits or Decide(stage="final", evidence=Step.EVIDENCE_FINAL)


def _await(facts: Facts, step: Step, state: ExperimentState, name: str) -> Action | None:
    found = facts.steps[step]
    match found.state:
        case JobState.QUEUED | JobState.RUNNING:
            return Wait(state=state)
        case JobState.FAILED:
            return End(state=ExperimentState.FAILED, detail=f"{name} failed: {found.detail}")
        case JobState.CANCELLED:
            return End(state=ExperimentState.CANCELLED, detail=f"{name} was cancelled")
        case JobState.SUCCEEDED:
            return None
