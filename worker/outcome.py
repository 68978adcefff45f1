"""Map the end of a trainer process to an outcome of its attempt. Pure."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.states import FailureReason

MAX_OUT_OF_MEMORY_RETRIES = 1
# An operator, or a kernel short of memory for something else, may have killed it: that need not happen again.
MAX_KILLED_RETRIES = 2
SHOWN_PROBLEMS = 20

REASONS: dict[int, FailureReason] = {
    ExitCode.BAD_SPEC: FailureReason.BAD_SPEC,
    ExitCode.DATA_ERROR: FailureReason.DATA_ERROR,
    ExitCode.PREFLIGHT_FAILED: FailureReason.PREFLIGHT_FAILED,
    ExitCode.COLLAPSE: FailureReason.COLLAPSE,
    ExitCode.DIVERGENCE: FailureReason.DIVERGENCE,
    ExitCode.OUT_OF_MEMORY: FailureReason.OUT_OF_MEMORY,
    ExitCode.INTERNAL_ERROR: FailureReason.INTERNAL_ERROR,
}


class Stop(StrEnum):
    """Why the supervisor stopped a trainer."""

    CANCELLED = "cancelled"
    PAUSED = "paused"
    DRAINED = "the worker is shutting down"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    BUDGET = "the budget of its experiment is spent"
    TOO_LATE = "the lease could not be renewed in time"
    DATABASE_FULL = "the database's disk was full, so the lease could not be renewed"
    LEASE_LOST = "lease lost"


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The trainer ended with 0; its result has still to be read."""


@dataclass(frozen=True, kw_only=True)
class Reused:
    """No trainer was started: an equal run has finished, and this one has ended with its result."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The run has failed and is not tried again."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """The trainer was stopped because the run was cancelled."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """The run goes back: to the queue, or to paused if that was requested.

    Args:
        why: Kept in the event.
        counts: Whether this is a recovery, of which a run has a limited number.
        gave_up: Why the run failed if it has no recovery left.
    """

    why: str
    counts: bool
    gave_up: FailureReason = FailureReason.WORKER_LOST


@dataclass(frozen=True, kw_only=True)
class Abandoned:
    """The lease is lost: this attempt may write nothing more."""


AttemptOutcome = Succeeded | Reused | Failed | Cancelled | Released | Abandoned


def classify_exit(
    exit_code: int,
    *,
    stop: Stop | None,
    failure: Mapping[str, Any] | None,
    recoveries: int,
    limits: str = "",
    has_room: bool = True,
) -> AttemptOutcome:
    """Return the outcome of an attempt whose trainer has ended.

    Args:
        exit_code: Negative for the signal that killed the trainer.
        stop: Why the supervisor stopped it; None if it did not.
        failure: Body of its `failed` event; None if it wrote none.
        recoveries: How often the run was recovered before.
        limits: The limit that was exceeded, for people, when `stop` is TIMEOUT, STALLED or BUDGET.
        has_room: Whether the artifact folder has its reserve free.
    """
    match stop:
        case Stop.LEASE_LOST:
            return Abandoned()
        case Stop.TIMEOUT:
            return Failed(reason=FailureReason.TIMEOUT, detail=limits)
        case Stop.STALLED:
            return Failed(reason=FailureReason.STALLED, detail=limits)
    if exit_code == ExitCode.SUCCESS:
        return Succeeded()
    match stop:
        case Stop.BUDGET:
            return Failed(reason=FailureReason.BUDGET_EXCEEDED, detail=limits)
        case Stop.CANCELLED:
            return Cancelled()
        case Stop.PAUSED | Stop.DRAINED | Stop.DATABASE_FULL:
            return Released(why=stop.value, counts=False)
        case Stop.TOO_LATE:
            return Released(why=stop.value, counts=True)
    if exit_code == ExitCode.STORAGE_FULL:
        return storage_full(describe_failure(failure), has_room=has_room)
    return _without_stop(exit_code, failure, recoveries)


def storage_full(detail: str, *, has_room: bool) -> Released:
    """Return the outcome of an attempt that found no room to write to: it goes back to the queue.

    Args:
        detail: What the trainer said; may be empty, since there was no room for its event either.
        has_room: Whether workers claim runs at once again. Then it counts: a run that fills the disk by itself would
            be tried for ever.
    """
    why = f"storage_full: {detail or 'there was no room left to write to'}"
    return Released(why=why, counts=has_room, gave_up=FailureReason.STORAGE_FULL)


def _without_stop(exit_code: int, failure: Mapping[str, Any] | None, recoveries: int) -> AttemptOutcome:
    detail = describe_failure(failure)
    if exit_code in (ExitCode.INTERRUPTED, -signal.SIGTERM):
        how = "SIGTERM ended the trainer" if exit_code < 0 else "the trainer ended as interrupted"
        return Released(why=f"{how}, and its worker had not asked for that", counts=True)
    if exit_code == ExitCode.OUT_OF_MEMORY and recoveries < MAX_OUT_OF_MEMORY_RETRIES:
        again = f"out of memory, tried again: {detail}"
        return Released(why=again, counts=True, gave_up=FailureReason.OUT_OF_MEMORY)
    if exit_code == -signal.SIGKILL:
        found = (
            "SIGKILL ended the trainer, and its worker had not sent it: the kernel does when memory runs out, and its "
            "log tells"
        )
        if recoveries < MAX_KILLED_RETRIES:
            again = f"{found}; tried again from the last checkpoint"
            return Released(why=again, counts=True, gave_up=FailureReason.KILLED)
        return Failed(reason=FailureReason.KILLED, detail=f"{found}; it was tried again {recoveries} times")
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return Failed(reason=FailureReason.KILLED, detail=f"{name} ended the trainer; see the run's log")
    reason = REASONS.get(exit_code, FailureReason.INTERNAL_ERROR)
    return Failed(reason=reason, detail=detail or f"the trainer ended with exit code {exit_code}; see the run's log")


def describe_failure(failure: Mapping[str, Any] | None) -> str:
    """Return a `failed` event as text: the message, then one line per problem; empty without an event."""
    if failure is None:
        return ""
    problems = [problem for problem in failure.get("problems", []) if isinstance(problem, dict)]
    lines = [str(failure.get("message", ""))]
    for problem in problems[:SHOWN_PROBLEMS]:
        fix = f"; {problem['fix']}" if problem.get("fix") else ""
        lines.append(f"{problem.get('where')}: found {problem.get('found')}, expected {problem.get('expected')}{fix}")
    total = failure.get("problems_total", len(problems))
    if isinstance(total, int) and total > SHOWN_PROBLEMS:
        lines.append(f"… and {total - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
