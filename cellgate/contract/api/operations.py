"""Answers about queues, workers, usage and health."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, Field

from cellgate.contract.api.common import Answer, Request
from cellgate.contract.api.resources import DeletionAnswer


class UsageBy(StrEnum):
    """Grouping of usage."""

    EXPERIMENT = "experiment"
    OWNER = "owner"
    CELL = "cell"
    QUEUE = "queue"


class StorageKind(StrEnum):
    """What stored bytes belong to."""

    DATASETS = "datasets"
    CHECKPOINTS = "checkpoints"
    MODELS = "models"
    PREDICTIONS = "predictions"
    LOGS = "logs"
    BUNDLES = "bundles"
    UPLOADS = "uploads"
    CACHE = "cache"
    OTHER = "other"
    DATABASE = "database"


class StoragePart(Answer):
    """Stored bytes of one kind of one owner."""

    kind: StorageKind
    owner: str | None = Field(description="Name of the owner whose runs wrote them; null where none is known.")
    owner_id: str | None = Field(
        None, description="The owner's immutable id; null as well where runs of release 0.2 wrote them."
    )
    size_bytes: int
    files: int


class StorageAnswer(Answer):
    """What is stored, as the reconciler measured it last."""

    measured_at: AwareDatetime | None = Field(description="When it was measured; null before the first time.")
    size_bytes: int
    parts: list[StoragePart] = Field(description="By kind and owner, largest first.")


class PruneCreate(Request):
    """Delete what is old and what nothing depends on."""

    older_than_days: float = Field(ge=0, le=36_500, description="Things that ended, or were made, before so many days.")
    keep_decisions: bool = Field(True, description="Keep experiments that have a decision; only their checkpoints go.")
    dry_run: bool = Field(False, description="Answer what would be deleted, and delete nothing.")


class PruneAnswer(DeletionAnswer):
    """What was pruned; one request prunes a part."""

    checkpoints: int = Field(description="Attempts whose checkpoints go.")
    more: bool = Field(description="Whether the same request would find more.")


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
    storage: StorageAnswer | None = Field(None, description="What is stored now, whatever the period.")


class HealthCheck(BaseModel):
    """One dependency of the service."""

    ok: bool
    detail: str = Field(description="The finding, and what to do if the check failed.")


class Checks(BaseModel):
    """The dependencies of the service."""

    database: HealthCheck
    migrations: HealthCheck = Field(description="Whether the database's schema is the one of this version.")
    broker: HealthCheck = Field(
        description="Whether the broker takes messages and every living worker hears them. Does not count towards "
        "`ready` while a living worker looks for runs by itself."
    )
    workers: HealthCheck = Field(
        description="Whether a living worker serves every queue in which runs wait. Does not count towards `ready`: "
        "without workers the API still accepts and answers."
    )
    storage: HealthCheck = Field(
        description="Whether the artifact folder has `CELLGATE_STORAGE_RESERVE_BYTES` free; below it no run starts. "
        "Counts towards `ready` only when hardly anything can be written any more (16 MiB)."
    )
    background: HealthCheck = Field(
        description="Whether a reconciler is at work, and no long-lived thread of any process has ended unexpectedly "
        "in the last minutes; those that end are started again. Does not count towards `ready`."
    )


class HealthStatus(StrEnum):
    """What follows from the checks."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Health(BaseModel):
    """Whether the service is ready."""

    ready: bool = Field(description="Whether queued work moves: the status is not `down`.")
    status: HealthStatus = Field(
        description="`ok`: every check passed. `degraded`: at least one failed, and queued work moves all the same. "
        "`down`: the database or its schema failed, the disk is full, or the broker failed and no worker looks for "
        "runs by itself."
    )
    failed: list[str] = Field(description="The checks that failed, by name.")
    checks: Checks


class WorkerAnswer(Answer):
    """A worker."""

    id: str
    queues: list[str]
    slots: int
    alive: bool = Field(description="Whether its last heartbeat is less than 30 s old.")
    draining: bool = Field(description="Whether it claims no more runs; a restart of the worker ends that.")
    listening: bool | None = Field(
        description="Whether it hears the broker's notifications; else it finds runs at its heartbeats. Null: it is of "
        "a release that claims only when it is notified."
    )
    runs: list[str] = Field(description="Runs that it holds.")
    heartbeat_at: AwareDatetime
