"""Answers about runs: their state, curves, events, attempts, output and files."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cellgate.contract.api.common import Answer, OwnerId, OwnerName
from cellgate.contract.api.resources import Described
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.cells import CellName
from cellgate.contract.results import RunResult
from cellgate.contract.states import FailureReason, RunState, WaitingReason


class Progress(Answer):
    """Progress of a run."""

    phase: str | None
    steps_done: int | None
    steps_total: int | None
    epoch: int | None
    epochs: int | None
    eta_s: float | None


class WaitingAnswer(Answer):
    """The reason why a run waits, and its position in the queue."""

    reason: WaitingReason
    detail: str = Field(description="The reason in words.")
    ahead: int | None = Field(description="Number of runs ahead in the same queue; null while paused.")


class RunAnswer(Described):
    """A run."""

    id: str
    name: str | None = Field(None, description="Name that a person gave it.")
    job: str
    experiment: str | None
    cell: CellName
    seed: int
    state: RunState
    waiting: WaitingAnswer | None = Field(description="Why it waits, while it is queued or paused.")
    attempt: int
    superseded_by: str | None = Field(description="Run that has replaced this one after a retry.")
    reused_from: str | None = Field(
        None, description="Equal run, finished before, whose result and files this one has; it was not trained itself."
    )
    worker: str | None
    queue: str
    progress: Progress
    f1: float | None = Field(description="F1 on the gate split, once there is a result.")
    exit_code: int | None
    failure_reason: FailureReason | None
    failure_detail: str | None
    result: Annotated[dict[str, Any], StoredAs(RunResult)] | None = Field(
        description="The run's `result.json`; null in lists and in other answers that hold several runs."
    )
    owner: OwnerName = None
    owner_id: OwnerId = None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    running_s: float | None = Field(
        None,
        description="Seconds at work over all attempts, measured by the workers and stored at each renewal of the "
        "lease; no jump of a clock changes it. Null before the first attempt and for runs of release 0.2 and older.",
    )


class RunStatus(Answer):
    """State and progress of a run."""

    id: str
    state: RunState
    attempt: int
    progress: Progress
    failure_reason: FailureReason | None
    finished_at: AwareDatetime | None


class Curve(Answer):
    """One metric of one run, by step. Of `resource/…` the steps are seconds since the first attempt began."""

    key: str
    steps: list[int]
    values: list[float]
    times_s: list[float] = Field(
        default_factory=list,
        description="For each step: seconds since the first attempt began, until the point was stored.",
    )
    epochs: list[float] | None = Field(
        None, description="For each step: epochs that were done, in fractions; null where they are not known."
    )
    points: int = Field(
        description="Number of measured points; `values` holds fewer if `max_points` thinned the curve."
    )


class MetricsAnswer(Answer):
    """A run's curves."""

    run: str
    curves: list[Curve]


class ChosenRate(Answer):
    """The learning rate that a run trains with, and why."""

    rate: float
    source: Literal["finder", "cache", "fallback", "spec"]
    why: str = Field(description="In words; of a fallback, why the test gave no rate.")


class LrFinderAnswer(Answer):
    """The curve of a run's LR range test; every list is in the order of the rates."""

    run: str
    rates: list[float] = Field(description="Peak learning rates that were tried, rising.")
    losses: list[float | None] = Field(
        description="Loss of the step at each rate, its batch's labels evened out; null where it was not finite."
    )
    smoothed: list[float | None] = Field(
        description="The same, as the test smooths it; null from the first loss on that was not finite."
    )
    chosen: ChosenRate


class EventBody(BaseModel):
    """The fields of an event. Those of a `transition` are named here; docs/reference/states.md lists all kinds."""

    model_config = ConfigDict(extra="allow")

    from_: str | None = Field(None, alias="from", description="State before; null for the first.")
    to: str | None = Field(None, description="State after.")
    reason: str | None = Field(None, description="Reason of the transition, if there is one.")


class EventAnswer(Answer):
    """One event of a run or an experiment."""

    id: int
    run: str | None
    attempt: int | None
    kind: str = Field(description="`transition`, an action of a person, or a kind of line in `events.jsonl`.")
    at: AwareDatetime
    body: Annotated[dict[str, Any], StoredAs(EventBody)] = Field(description="Its fields depend on `kind`.")


class ComparisonAnswer(Answer):
    """Runs compared; every list is in the order of `runs`."""

    runs: list[RunAnswer]
    config: dict[str, list[Any]] = Field(
        description="Settings that differ between the runs, by JSON pointer; null where a run has none."
    )
    metrics: dict[str, list[float | None]] = Field(description="By split and name, as in `gate/f1`.")


class AttemptAnswer(Answer):
    """One attempt at a run, on one worker."""

    attempt: int
    worker: str
    outcome: str | None = Field(description="How the attempt ended; null while it runs.")
    exit_code: int | None
    checkpoint_step: int | None = Field(description="Optimizer steps in its last checkpoint, if it has saved one.")
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    duration_s: float | None = Field(
        None, description="Seconds at work, as its worker measured them; null for attempts of release 0.2 and older."
    )


class LogChunk(Answer):
    """A numbered chunk of a trainer's output."""

    attempt: int
    number: int
    text: str
    at: AwareDatetime


class LogPage(Answer):
    """Output in numbered chunks, oldest first."""

    chunks: list[LogChunk]
    next: str | None = Field(description="Cursor for `after`; null before the first chunk.")
    ended: bool = Field(description="Whether the run has ended and these are its last chunks.")


class ArtifactAnswer(Answer):
    """A file of a run."""

    name: str = Field(description="Path of the file below the run's folder.")
    size: int = Field(description="Size in bytes.")
    sha256: str = Field(description="SHA-256 in hexadecimal; also the file's entity tag.")
    media_type: str
