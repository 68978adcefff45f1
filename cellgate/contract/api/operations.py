"""Answers about queues, usage and health."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, Field

from cellgate.contract.api.common import (
    Answer,
)


class UsageBy(StrEnum):
    """What usage is summed by."""

    EXPERIMENT = "experiment"
    OWNER = "owner"
    CELL = "cell"
    QUEUE = "queue"


class QueueAnswer(Answer):
    """A queue: what waits in it, and who is there to work it off."""

    name: str
    queued: int = Field(description="Runs that wait for a worker.")
    running: int = Field(description="Runs that a worker holds, those about to pause or to be cancelled included.")
    paused: int = Field(description="Runs that wait to be resumed.")
    oldest_wait_s: float | None = Field(description="How long the run has waited that was queued the longest ago.")
    workers: int = Field(description="Workers that serve it and are alive.")
    slots: int = Field(description="Runs that these can have at work at once, for all queues they serve.")
    free_slots: int = Field(description="Slots that can take a run now.")


class UsageGroup(Answer):
    """What one group of runs has used within the period."""

    slot_seconds: float = Field(
        description="How long their attempts have held a slot of a worker, those still at work included: seconds of a "
        "GPU on workers that lend one to each run, of the CPU's share elsewhere. Summed by queue it tells them apart."
    )
    runs: int = Field(description="Runs with an attempt within the period.")
    failed_share: float | None = Field(description="Share of the ended ones that failed; null while none has ended.")


class KeyedUsage(UsageGroup):
    """What one experiment, owner, cell or queue has used."""

    key: str | None = Field(description="Null: runs without an experiment, or without an owner.")


class UsageAnswer(Answer):
    """What was used within a period."""

    since: AwareDatetime
    before: AwareDatetime
    by: UsageBy
    total: UsageGroup = Field(description="Over all groups, also those beyond `limit`.")
    groups: list[KeyedUsage] = Field(description="Those that used the most come first.")


class HealthCheck(BaseModel):
    """One thing that the service needs."""

    ok: bool
    detail: str = Field(description="What was found, and what to do where it is not in order.")


class Checks(BaseModel):
    """Everything that the service needs."""

    database: HealthCheck
    migrations: HealthCheck = Field(description="Whether the database's schema is the one of this version.")
    broker: HealthCheck
    workers: HealthCheck = Field(
        description="Whether a living worker serves every queue in which runs wait. Does not count towards `ready`: "
        "without workers the API still accepts and answers."
    )


class Health(BaseModel):
    """What the service needs, and whether it is there."""

    ready: bool = Field(description="Whether database, schema and broker are in order.")
    checks: Checks
