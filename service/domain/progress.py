"""How far an experiment is: the state of each step, the share of its work that is done, and when it will end. Pure.

The share and the estimate weigh each run by the seconds that it takes: as runs of the same step took, else as it was
predicted when the experiment was submitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cellgate.contract.api.pipelines import STEP_NAMES, StepName, StepState
from cellgate.contract.decision import DecisionOutcome
from cellgate.contract.states import LEASED, DatasetState, ExperimentState, RunState, job_state
from service.domain.pipeline import Step

PREPARE = "prepare"
# What a run of these takes is no matter of config or data; known well enough before the first one.
SHORT_S = 10.0
SHORT = frozenset({PREPARE, Step.PREFLIGHT.value, Step.EVIDENCE_BASES.value, Step.EVIDENCE_FINAL.value})
# Of a run of which nothing is known; it weighs in the share alone, never in an estimate.
UNKNOWN_S = 60.0
# Jobs that may go on at the same time, in order.
STAGES: Sequence[Sequence[str]] = (
    (PREPARE,),
    (Step.PREFLIGHT.value,),
    (Step.TRANSFORMER.value, Step.GNN.value),
    (Step.EVIDENCE_BASES.value,),
    (Step.FUSION.value,),
    (Step.EVIDENCE_FINAL.value,),
)
JOBS_OF: Mapping[StepName, Sequence[str]] = {
    "prepare": (PREPARE,),
    "preflight": (Step.PREFLIGHT.value,),
    "51": (Step.TRANSFORMER.value,),
    "52": (Step.GNN.value,),
    "gate": (),
    "53": (Step.FUSION.value,),
    "decision": (Step.EVIDENCE_BASES.value, Step.EVIDENCE_FINAL.value),
}
ONE_EACH = SHORT
AT_WORK = LEASED | {RunState.RECOVERING}
Fusion = Literal["auto", "always", "never"]


@dataclass(frozen=True, kw_only=True)
class RunOfStep:
    """What counts of one run.

    Args:
        job: Step of its job, or `prepare`.
        eta_s: Its trainer's own estimate.
        running_s: Seconds at work so far.
    """

    id: str
    job: str
    seed: int
    state: RunState
    steps_done: int | None = None
    steps_total: int | None = None
    eta_s: float | None = None
    running_s: float | None = None

    @property
    def share(self) -> float | None:
        """Share of its work that is done; None before its first step."""
        if self.state is RunState.SUCCEEDED:
            return 1.0
        if not self.steps_total:
            return None
        return min(1.0, (self.steps_done or 0) / self.steps_total)


@dataclass(frozen=True, kw_only=True)
class PipelineFacts:
    """The facts about an experiment and its runs.

    Args:
        seeds: How many it has.
        fusion: Of its policy.
        gate: The gate's verdict; None before it was judged.
        decided: What the last decision says, or the person who overruled it.
        runs: Those that count, the one that prepares its data set included.
        predicted_s: Predicted seconds of one run, by step.
    """

    state: ExperimentState
    seeds: int
    fusion: Fusion
    dataset: DatasetState
    gate: Literal["pass", "fail"] | None = None
    decided: DecisionOutcome | None = None
    runs: Sequence[RunOfStep] = ()
    predicted_s: Mapping[str, float] = field(default_factory=dict)

    def of(self, *jobs: str) -> list[RunOfStep]:
        """Return the runs of these jobs, in order."""
        return [run for run in self.runs if run.job in jobs]

    @property
    def at_work(self) -> bool:
        """Whether a worker holds one of the runs."""
        return any(run.state in AT_WORK for run in self.runs)


def step_states(facts: PipelineFacts) -> dict[StepName, StepState]:
    """Return the state of each step, in the order of the pipeline."""
    return {step: _step_state(facts, step) for step in STEP_NAMES}


def share_done(facts: PipelineFacts) -> float | None:
    """Return the share of the work of all planned steps that is done, 0 to 1; 1 for one that has ended by itself."""
    if facts.state is ExperimentState.SUCCEEDED:
        return 1.0
    done_s, all_s = 0.0, 0.0
    for job in _planned(facts):
        expected_s = _expected_s(facts, job) or UNKNOWN_S
        runs = facts.of(job)
        done_s += expected_s * sum(1.0 if run.state.terminal else run.share or 0.0 for run in runs)
        all_s += expected_s * max(len(runs), _count(facts, job))
    return min(1.0, done_s / all_s) if all_s else None


def remaining_s(facts: PipelineFacts) -> float | None:
    """Return the estimated seconds until the last step ends; None where nothing is at work, or too little is known."""
    if facts.state.terminal or not facts.at_work:
        return None
    slots = sum(run.state in AT_WORK for run in facts.runs)
    planned = [job for job in _planned(facts) if job != Step.FUSION.value or _fusion_is_certain(facts)]
    total_s = 0.0
    for stage in STAGES:
        left = [left_s for job in stage if job in planned for left_s in _left_s(facts, job)]
        known = [left_s for left_s in left if left_s is not None]
        if len(known) < len(left):
            return None
        if known:
            total_s += max(max(known), sum(known) / slots)
    return total_s


def _step_state(facts: PipelineFacts, step: StepName) -> StepState:
    match step:
        case "prepare" if facts.dataset is DatasetState.READY:
            return StepState.SUCCEEDED
        case "prepare" if facts.dataset is DatasetState.FAILED:
            return StepState.FAILED
        case "gate" if facts.gate is not None:
            return StepState.SUCCEEDED if facts.gate == "pass" else StepState.FAILED
        case "decision" if facts.decided is not None and facts.state is ExperimentState.SUCCEEDED:
            return StepState.SUCCEEDED
    runs = facts.of(*JOBS_OF[step])
    if step == "decision" and not facts.state.terminal:
        # Its first evidence is done: the last one is still to come.
        runs = [run for run in runs if run.state is not RunState.SUCCEEDED]
    if runs:
        return _state_of([run.state for run in runs])
    return StepState.SKIPPED if _is_skipped(facts, step) else StepState.PENDING


def _state_of(states: Sequence[RunState]) -> StepState:
    if any(state in AT_WORK for state in states):
        return StepState.RUNNING
    if not all(state.terminal for state in states):
        return StepState.WAITING
    return StepState(job_state(states).value)


def _is_skipped(facts: PipelineFacts, step: StepName) -> bool:
    return facts.state.terminal or (step == "53" and not _fusion_may_come(facts))


def _fusion_may_come(facts: PipelineFacts) -> bool:
    if facts.decided is not None:
        return facts.decided == "train_fusion"
    return facts.fusion != "never" and facts.gate != "fail"


def _fusion_is_certain(facts: PipelineFacts) -> bool:
    if facts.of(Step.FUSION.value):
        return True
    return facts.decided == "train_fusion" or (facts.fusion == "always" and facts.gate == "pass")


def _planned(facts: PipelineFacts) -> Iterator[str]:
    """Yield the jobs that were made, or will be."""
    fuses = bool(facts.of(Step.FUSION.value)) or (_fusion_may_come(facts) and not facts.state.terminal)
    for job in (job for stage in STAGES for job in stage):
        if job not in (Step.FUSION.value, Step.EVIDENCE_FINAL.value) or fuses:
            yield job


def _count(facts: PipelineFacts, job: str) -> int:
    """Return how many runs a job has that does not exist yet."""
    if job == PREPARE and facts.dataset is DatasetState.READY:
        return 0
    return 1 if job in ONE_EACH else facts.seeds


def _expected_s(facts: PipelineFacts, job: str) -> float | None:
    took = [run.running_s for run in facts.of(job) if run.state is RunState.SUCCEEDED and run.running_s]
    if took:
        return sum(took) / len(took)
    predicted = facts.predicted_s.get(job)
    if predicted:
        return predicted
    at_work = [run.running_s + run.eta_s for run in facts.of(job) if run.running_s and run.eta_s is not None]
    if at_work:
        return sum(at_work) / len(at_work)
    return SHORT_S if job in SHORT else None


def _left_s(facts: PipelineFacts, job: str) -> Iterator[float | None]:
    """Yield the seconds that each unfinished run of a job still takes; None where that is not known."""
    expected_s, runs = _expected_s(facts, job), facts.of(job)
    for run in runs:
        if run.state.terminal:
            continue
        if run.eta_s is not None and run.state in AT_WORK:
            yield run.eta_s
        else:
            yield None if expected_s is None else expected_s * (1.0 - (run.share or 0.0))
    yield from [expected_s] * (0 if runs else _count(facts, job))
