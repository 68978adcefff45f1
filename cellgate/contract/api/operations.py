"""Answers about queues, workers, usage and health."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, Field

from cellgate.contract.api.common import (
    Answer,
)


class UsageBy(StrEnum):
    """Grouping of usage."""

    EXPERIMENT = "experiment"
    OWNER = "owner"
    CELL = "cell"
    QUEUE = "queue"


class QueueAnswer(Answer):
    """A queue: its waiting and running runs, and the workers that serve it."""

    name: str
    queued: int = Field(description="Runs that wait for a worker.")
    running: int = Field(description="Runs that a worker holds, including those about to pause or to be cancelled.")
    paused: int = Field(description="Runs that wait to be resumed.")
    oldest_wait_s: float | None = Field(description="Waiting time of the run that was queued first, in seconds.")
    workers: int = Field(description="Workers that serve it and are alive.")
    slots: int = Field(description="Runs that these workers can hold at the same time, over all queues they serve.")
    free_slots: int = Field(description="Slots that can take a run now.")


class UsageGroup(Answer):
    """Usage of one group of runs within the period."""

    slot_seconds: float = Field(
        description="Seconds during which their attempts held a worker's slot, running ones included. On workers that "
        "give each run a GPU these are GPU seconds, elsewhere seconds of a CPU share; `by=queue` separates them."
    )
    runs: int = Field(description="Runs with an attempt within the period.")
    failed_share: float | None = Field(description="Share of the ended runs that failed; null if none has ended.")


class KeyedUsage(UsageGroup):
    """Usage of one experiment, owner, cell or queue."""

    key: str | None = Field(description="Experiment, owner's name, cell or queue; null for runs without one.")
    owner_id: str | None = Field(None, description="With `by=owner`: the owner's immutable id.")


class UsageAnswer(Answer):
    """Usage within a period."""

    since: AwareDatetime
    before: AwareDatetime
    by: UsageBy
    total: UsageGroup = Field(description="Sum over all groups, including those beyond `limit`.")
    groups: list[KeyedUsage] = Field(description="Groups by slot time, largest first.")


class HealthCheck(BaseModel):
    """One dependency of the service."""

    ok: bool
    detail: str = Field(description="The finding, and what to do if the check failed.")


class Checks(BaseModel):
    """The dependencies of the service."""

    database: HealthCheck
    migrations: HealthCheck = Field(description="Whether the database's schema is the one of this version.")
    broker: HealthCheck
    workers: HealthCheck = Field(
        description="Whether a living worker serves every queue in which runs wait. Does not count towards `ready`: "
        "without workers the API still accepts and answers."
    )


class Health(BaseModel):
    """Whether the service is ready."""

    ready: bool = Field(description="Whether database, schema and broker passed their checks.")
    checks: Checks


class WorkerAnswer(Answer):
    """A worker."""

    id: str
    queues: list[str]
    slots: int
    alive: bool = Field(description="Whether its last heartbeat is less than 30 s old.")
    draining: bool = Field(description="Whether it claims no more runs; a restart of the worker ends that.")
    runs: list[str] = Field(description="Runs that it holds.")
    heartbeat_at: AwareDatetime
