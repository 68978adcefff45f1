"""How work ended: whether it goes on (`Lifecycle`), apart from what came of it (`Outcome`).

The `state` of an experiment or a job says by `succeeded` only that everything that was to run has run. Whether anything
can be shipped stands in its conclusion.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cellgate.contract.exit_codes import CommandExit
from cellgate.contract.options import Option
from cellgate.contract.states import ExperimentState, JobState, RunState


class Lifecycle(StrEnum):
    """Whether an experiment or a job goes on."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What came of an experiment; where several are true, the one that stands first counts."""

    FAILED = "failed"  # a step that nothing can go on without
    BROKEN = "broken"  # seeds failed, and nobody waived that
    STOPPED = "stopped"  # somebody cancelled it, or some of its seeds
    IMPROVE = "improve"
    BORDERLINE = "borderline"  # something is to be shipped, and the evidence does not settle it
    SHIPS = "ships"


class JobOutcome(StrEnum):
    """What came of a job; where several are true, the one that stands first counts."""

    BROKEN = "broken"
    STOPPED = "stopped"
    COMPLETE = "complete"


class SeedCounts(BaseModel):
    """Runs that count, one per seed of a step; runs that a retry has replaced do not."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    total: int = 0
    failed: int = 0
    cancelled: int = 0


class Ending(BaseModel):
    """An outcome, with what is shipped."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    outcome: Outcome
    option: Option | None = Field(description="What is shipped; null when nothing is.")
    confidence: Literal["clear", "borderline"] | None = Field(
        description="Of the computed decision; null without one, and in a person's."
    )
    text: str = Field(description="The outcome in words, such as `broken: 2 of 6 seeds`.")


class Conclusion(Ending):
    """What came of an experiment that has ended: a person's word, if there is one, beside the computed outcome."""

    seeds: SeedCounts = Field(description="Runs of cells 51, 52 and 53.")
    overruled_by: str | None = Field(None, description="Name of the token; null where the computed outcome counts.")
    computed: Ending = Field(description="What the rules give; it differs from the outcome only after an overruling.")


class JobConclusion(BaseModel):
    """What came of a job that has ended."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    outcome: JobOutcome
    text: str = Field(description="The outcome in words, such as `broken: 1 of 3 seeds`.")
    seeds: SeedCounts


# What `cellgate watch` ends with.
EXIT_OF: Mapping[Outcome | JobOutcome, CommandExit] = {
    Outcome.FAILED: CommandExit.FAILED,
    Outcome.BROKEN: CommandExit.BROKEN,
    Outcome.STOPPED: CommandExit.STOPPED,
    Outcome.IMPROVE: CommandExit.IMPROVE,
    Outcome.BORDERLINE: CommandExit.BORDERLINE,
    Outcome.SHIPS: CommandExit.SUCCESS,
    JobOutcome.BROKEN: CommandExit.BROKEN,
    JobOutcome.STOPPED: CommandExit.STOPPED,
    JobOutcome.COMPLETE: CommandExit.SUCCESS,
}


def lifecycle_of(state: ExperimentState | JobState) -> Lifecycle:
    """Return whether an experiment or a job in this state goes on."""
    match state:
        case ExperimentState.WAITING | JobState.QUEUED:
            return Lifecycle.WAITING
        case ExperimentState.CANCELLED | JobState.CANCELLED:
            return Lifecycle.CANCELLED
        case _:
            return Lifecycle.ENDED if state.terminal else Lifecycle.RUNNING


def count_seeds(states: Iterable[RunState]) -> SeedCounts:
    """Return how many runs there are, and how many of them failed or were cancelled."""
    found = list(states)
    return SeedCounts(total=len(found), failed=found.count(RunState.FAILED), cancelled=found.count(RunState.CANCELLED))


def conclude_job(states: Iterable[RunState]) -> JobConclusion | None:
    """Return what came of a job, from its runs' states; None while one of them goes on."""
    found = list(states)
    if not all(state.terminal for state in found):
        return None
    seeds = count_seeds(found)
    if seeds.failed:
        return JobConclusion(outcome=JobOutcome.BROKEN, text=f"broken: {of_seeds(seeds.failed, seeds)}", seeds=seeds)
    if seeds.cancelled:
        text = f"stopped: {of_seeds(seeds.cancelled, seeds)} cancelled"
        return JobConclusion(outcome=JobOutcome.STOPPED, text=text, seeds=seeds)
    return JobConclusion(outcome=JobOutcome.COMPLETE, text=f"complete: {of_seeds(seeds.total, seeds)}", seeds=seeds)


def of_seeds(count: int, seeds: SeedCounts) -> str:
    """Return a share of the seeds in words."""
    return f"{count} of {seeds.total} seed{'' if seeds.total == 1 else 's'}"
