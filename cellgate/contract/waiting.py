"""What a run can wait for."""

from dataclasses import dataclass
from enum import StrEnum


class WaitingReason(StrEnum):
    """Why a run waits."""

    PAUSED = "paused"
    QUOTA = "quota"
    NO_WORKER = "no_worker"
    BEHIND = "behind"
    BUSY = "busy"
    NEXT = "next"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a run waits for.

    Args:
        detail: The reason in words, with what to do where there is something.
        ahead: Queued runs of its queue whose turn comes before; None for a run that is not queued.
    """

    reason: WaitingReason
    detail: str
    ahead: int | None = None
