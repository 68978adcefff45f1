"""The run's states and legal transitions, and the states derived from them. Terminal is final.

queued → starting → running → succeeded | failed | cancelled
queued → paused; starting | running → pausing → paused; paused → queued
queued → failed                                 it waited too long
starting | running → recovering → queued        the worker was lost or interrupted: next attempt
starting | running | pausing → cancelling → cancelled; queued | paused → cancelled

A run that was requested to stop ends as its trainer does if that ends first: pausing | cancelling → succeeded | failed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class RunState(StrEnum):
    """State of a run."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RECOVERING = "recovering"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether no other state can follow."""
        return not LEGAL_TRANSITIONS[self]

    @property
    def leased(self) -> bool:
        """Whether a worker holds the run in this state."""
        return self in LEASED


class FailureReason(StrEnum):
    """Why a run failed."""

    BAD_SPEC = "bad_spec"
    DATA_ERROR = "data_error"
    PREFLIGHT_FAILED = "preflight_failed"
    COLLAPSE = "collapse"
    DIVERGENCE = "divergence"
    OUT_OF_MEMORY = "out_of_memory"
    INTERNAL_ERROR = "internal_error"
    INVALID_RESULT = "invalid_result"
    TIMEOUT = "timeout"
    QUEUE_TIMEOUT = "queue_timeout"
    STALLED = "stalled"
    BUDGET_EXCEEDED = "budget_exceeded"
    WORKER_LOST = "worker_lost"
    KILLED = "killed"
    STORAGE_FULL = "storage_full"


class JobState(StrEnum):
    """State of a job, derived from its runs."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether no other state can follow."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class DatasetState(StrEnum):
    """State of a data set."""

    PREPARING = "preparing"
    READY = "ready"
    FAILED = "failed"


class BundleState(StrEnum):
    """State of a bundle, derived from the run that packs it."""

    PACKING = "packing"
    READY = "ready"
    FAILED = "failed"


class ExperimentState(StrEnum):
    """State of an experiment: the step of the pipeline that it waits for, or how it ended."""

    WAITING = "waiting"  # for its data set
    PREFLIGHT = "preflight"
    TRAINING = "training"  # cells 51 and 52
    DECIDING = "deciding"  # cell 54 over the bases, then gate and decision
    FUSING = "fusing"  # cell 53
    CONCLUDING = "concluding"  # cell 54 with fusion, then the last decision
    SUCCEEDED = "succeeded"  # a decision stands, "improve" included
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether no other state can follow."""
        return self in (ExperimentState.SUCCEEDED, ExperimentState.FAILED, ExperimentState.CANCELLED)


S = RunState
LEGAL_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    S.QUEUED: frozenset({S.STARTING, S.PAUSED, S.CANCELLED, S.FAILED}),
    S.STARTING: frozenset({S.RUNNING, S.FAILED, S.PAUSING, S.RECOVERING, S.CANCELLING}),
    S.RUNNING: frozenset({S.SUCCEEDED, S.FAILED, S.PAUSING, S.RECOVERING, S.CANCELLING}),
    S.PAUSING: frozenset({S.PAUSED, S.SUCCEEDED, S.FAILED, S.CANCELLING}),
    S.PAUSED: frozenset({S.QUEUED, S.CANCELLED}),
    S.RECOVERING: frozenset({S.QUEUED}),
    S.CANCELLING: frozenset({S.CANCELLED, S.SUCCEEDED, S.FAILED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}
LEASED = frozenset({S.STARTING, S.RUNNING, S.PAUSING, S.CANCELLING})


def sources_of(target: RunState) -> frozenset[RunState]:
    """Return the states from which `target` can be reached in one transition."""
    return frozenset(state for state, targets in LEGAL_TRANSITIONS.items() if target in targets)


def bundle_state(run: RunState) -> BundleState:
    """Derive a bundle's state from that of the run that packs it."""
    if not run.terminal:
        return BundleState.PACKING
    return BundleState.READY if run is RunState.SUCCEEDED else BundleState.FAILED


def job_state(runs: Iterable[RunState]) -> JobState:
    """Derive a job's state from its runs' states (at least one)."""
    states = list(runs)
    if all(state is RunState.QUEUED for state in states):
        return JobState.QUEUED
    if not all(state.terminal for state in states):
        return JobState.RUNNING
    if RunState.FAILED in states:
        return JobState.FAILED
    return JobState.CANCELLED if RunState.CANCELLED in states else JobState.SUCCEEDED


class WaitingReason(StrEnum):
    """Why a run waits."""

    PAUSED = "paused"
    QUOTA = "quota"
    NO_WORKER = "no_worker"
    BEHIND = "behind"
    BUSY = "busy"
    NEXT = "next"
    STORAGE_FULL = "storage_full"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Why a run waits.

    Args:
        reason: Its code.
        detail: The reason for people, with what to do if there is something.
        ahead: Number of runs ahead in the same queue; None for a run that is not queued.
    """

    reason: WaitingReason
    detail: str
    ahead: int | None = None
