"""Answers about workers."""

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer


class WorkerAnswer(Answer):
    """A worker."""

    id: str
    queues: list[str]
    slots: int
    alive: bool = Field(description="Whether it was heard of in the last 30 s.")
    draining: bool = Field(description="Whether it takes no more runs; a new start of the worker ends that.")
    runs: list[str] = Field(description="Runs that it has at work.")
    heartbeat_at: AwareDatetime
