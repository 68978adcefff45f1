"""Why nothing of an experiment moves, with what to do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cellgate.contract.states import ExperimentState, Waiting, WaitingReason

# What a person starts next where autopilot is off.
NEXT: Mapping[ExperimentState, str] = {
    ExperimentState.TRAINING: "cells 51 and 52",
    ExperimentState.DECIDING: "cell 54, or 53",
    ExperimentState.FUSING: "cell 53",
    ExperimentState.CONCLUDING: "cell 54",
}


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """Why nothing of an experiment moves.

    Args:
        reason: Its code.
        detail: The reason in words, with what to do.
        queue: In which the next run waits.
        since: When that run was queued last, in seconds since the epoch.
    """

    reason: WaitingReason | Literal["autopilot_off"]
    detail: str
    queue: str | None = None
    since: float | None = None


def waits_for(why: Waiting, *, queue: str, since: float | None, prepares: bool) -> Standstill:
    """Return the standstill of an experiment whose next run waits.

    Args:
        why: The run waits.
        queue: Its queue.
        since: When it was queued last.
        prepares: Whether it is the run that prepares the data set.
    """
    detail = f"its data set is still to be prepared: {why.detail}" if prepares else why.detail
    return Standstill(reason=why.reason, detail=detail, queue=queue, since=since)


def autopilot_off(state: ExperimentState) -> Standstill | None:
    """Return the standstill of an experiment that a person drives; None where nothing is to be started now."""
    cells = NEXT.get(state)
    if cells is None:
        return None
    detail = f"autopilot is off: start {cells} with POST /v1/jobs, `experiment` naming this one"
    return Standstill(reason="autopilot_off", detail=detail)
