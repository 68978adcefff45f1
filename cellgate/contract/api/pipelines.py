"""What a list or the overview shows of an experiment: its steps, how far it is, and what it has reached."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer
from cellgate.contract.options import Option
from cellgate.contract.states import RunState, WaitingReason

StepName = Literal["prepare", "preflight", "51", "52", "gate", "53", "decision"]
# In the order of the pipeline.
STEP_NAMES: tuple[StepName, ...] = ("prepare", "preflight", "51", "52", "gate", "53", "decision")
StepVerdict = Literal["pass", "fail", "ensemble", "single", "fusion", "train_fusion", "improve"]


class StepState(StrEnum):
    """Whether a step of an experiment is reached, goes on, or how it ended."""

    PENDING = "pending"
    WAITING = "waiting"  # its runs wait; none is at work
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # it ended, or will end, without this step


class StepRun(Answer):
    """One run of a step."""

    id: str
    seed: int
    state: RunState
    progress: float | None = Field(ge=0, le=1, description="Share of its work that is done; null before it.")


class StepAnswer(Answer):
    """One step of an experiment."""

    step: StepName
    state: StepState
    verdict: StepVerdict | None = Field(
        description="Of the gate: `pass` or `fail`; of the decision: what the last one says, or the person who "
        "overruled it; null elsewhere and before."
    )
    runs: list[StepRun] = Field(description="The runs that count, by seed; of the decision those of cell 54.")


class BestF1(Answer):
    """F1 of the best option on the gate split."""

    option: Option
    mean: float = Field(ge=0, le=1, description="Mean over seeds.")
    low: float | None = Field(
        description="Lower end of the 95 % interval; null before the evidence, where the mean is that of the finished "
        "seeds of the better base model."
    )
    high: float | None
    seeds: int = Field(description="Number of seeds that it is the mean of.")


class ExperimentWaiting(Answer):
    """Why nothing of an experiment moves."""

    reason: WaitingReason | Literal["autopilot_off"] = Field(
        description="Of the run that is the next to go on; `autopilot_off`: a person starts the next cell."
    )
    detail: str = Field(description="The reason in words, with what to do.")
    queue: str | None
    since: AwareDatetime | None = Field(description="When that run was queued last; null where nothing is queued.")
