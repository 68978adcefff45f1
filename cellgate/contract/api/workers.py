"""Answers about workers."""

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer


class WorkerAnswer(Answer):
    """A worker."""

    id: str
    queues: list[str]
    slots: int
    alive: bool = Field(description="Whether its last heartbeat is less than 30 s old.")
    draining: bool = Field(description="Whether it claims no more runs; a restart of the worker ends that.")
    runs: list[str] = Field(description="Runs that it holds.")
    heartbeat_at: AwareDatetime
