"""The tables. SQL is the only source of truth: everything else is derived from it or named in it.

Times are seconds since the epoch by the database's own clock; ids are a prefix and a ULID, so they sort by age.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
Json = JSON().with_variant(JSONB(), "postgresql")
# SQLite counts rowids up only in an INTEGER PRIMARY KEY.
Counter = BigInteger().with_variant(Integer(), "sqlite")
Id = String(40)
Word = String(40)
Owner = String(80)  # name of the principal that made it, for people; `owner_id` decides


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012 - read by SQLAlchemy


class DatasetRow(Base):
    """A prepared, immutable data set (or one on its way)."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    name_version: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))  # of those with its name
    state: Mapped[str] = mapped_column(Word)
    source: Mapped[str] = mapped_column(Text)  # of several files or folders one per line
    spec: Mapped[dict[str, Any]]
    content_hash: Mapped[str | None] = mapped_column(String(80))
    path: Mapped[str | None] = mapped_column(Text)  # relative to the artifact root
    summary: Mapped[dict[str, Any] | None]
    failure_detail: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double)
    version: Mapped[int] = mapped_column(Integer, default=1)
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then
    labels: Mapped[dict[str, Any] | None]


class DatasetNameRow(Base):
    """A name that data sets have, or had: their versions are numbered on when all of them were deleted."""

    __tablename__ = "dataset_names"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    last_version: Mapped[int] = mapped_column(Integer)


class ExperimentRow(Base):
    """An experiment on one data set."""

    __tablename__ = "experiments"
    __table_args__ = (
        Index("ix_experiments_outcome", "outcome", "id"),
        Index("ix_experiments_served_turn", "served_turn"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"))
    state: Mapped[str] = mapped_column(Word, index=True)
    autopilot: Mapped[bool]
    spec: Mapped[dict[str, Any]]
    gate: Mapped[dict[str, Any] | None]  # the report, frozen once 51 and 52 are terminal
    failure_detail: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    served_at: Mapped[float | None] = mapped_column(Double)  # when a run of it was claimed last
    served_turn: Mapped[int | None] = mapped_column(BigInteger)  # the same as a number that no clock can set back
    created_at: Mapped[float] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    # What came of it, once it has ended; `service.store.conclusions` writes and reads these.
    outcome: Mapped[str | None] = mapped_column(Word)
    conclusion: Mapped[dict[str, Any] | None]
    concluded_at: Mapped[float | None] = mapped_column(Double)  # the `finished_at` that the conclusion is of
    version: Mapped[int] = mapped_column(Integer, default=1)
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then


class LabelRow(Base):
    """A label of an experiment: one value per key."""

    __tablename__ = "labels"
    __table_args__ = (Index("ix_labels_value", "key", "value", "experiment_id"),)

    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[str] = mapped_column(String(63))


class JobRow(Base):
    """One cell with one config; one run per seed."""

    __tablename__ = "jobs"
    # One job per step and experiment: two concurrent advances start nothing twice.
    __table_args__ = (
        UniqueConstraint("experiment_id", "step", name="uq_jobs_experiment_step"),
        Index("ix_jobs_served_turn", "served_turn"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    experiment_id: Mapped[str | None] = mapped_column(ForeignKey("experiments.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)  # none of an inspection
    step: Mapped[str | None] = mapped_column(Word)  # preflight | 51 | 52 | 54-bases | 53 | 54-final
    cell: Mapped[str] = mapped_column(Word)
    spec: Mapped[dict[str, Any]]
    seeds: Mapped[list[Any]]
    priority: Mapped[int] = mapped_column(Integer, default=0)
    queue: Mapped[str] = mapped_column(Word)
    queue_timeout_s: Mapped[float | None] = mapped_column(Double)  # of each run, since it was queued last
    timeout_s: Mapped[float | None] = mapped_column(Double)  # of each run, over all of its attempts
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    served_at: Mapped[float | None] = mapped_column(Double)  # when a run of it was claimed last
    served_turn: Mapped[int | None] = mapped_column(BigInteger)  # the same as a number that no clock can set back
    created_at: Mapped[float] = mapped_column(Double)
    version: Mapped[int] = mapped_column(Integer, default=1)
    name: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then
    labels: Mapped[dict[str, Any] | None]


class RunRow(Base):
    """One seed of a job, and the queue: a worker claims the next `queued` row of its queues.

    A run that was retried keeps its end and names the run that replaces it (`superseded_by`).
    """

    __tablename__ = "runs"
    __table_args__ = (
        # One current run per seed, even if two requests retry it at once.
        Index(
            "uq_runs_current",
            "job_id",
            "seed",
            unique=True,
            sqlite_where=text("superseded_by IS NULL"),
            postgresql_where=text("superseded_by IS NULL"),
        ),
        Index("ix_runs_claim", "state", "queue", "priority", "created_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    experiment_id: Mapped[str | None] = mapped_column(ForeignKey("experiments.id"), index=True)
    cell: Mapped[str] = mapped_column(Word)
    seed: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Word)
    priority: Mapped[int] = mapped_column(Integer)
    queue: Mapped[str] = mapped_column(Word)
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    superseded_by: Mapped[str | None] = mapped_column(Id)
    # The fencing number: part of every write of an attempt; the write is refused once the number has changed.
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[float | None] = mapped_column(Double)  # decides nothing: releases up to 0.2 read it
    lease_s: Mapped[float | None] = mapped_column(Double)  # its length; None: claimed by release 0.2 or older
    renewals: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # counts up: the holder lives
    dispatched_at: Mapped[float | None] = mapped_column(Double)  # outbox: when a worker was notified of it last
    recoveries: Mapped[int] = mapped_column(Integer, default=0)
    phase: Mapped[str | None] = mapped_column(Word)
    steps_done: Mapped[int | None] = mapped_column(Integer)
    steps_total: Mapped[int | None] = mapped_column(Integer)
    epoch: Mapped[int | None] = mapped_column(Integer)
    epochs: Mapped[int | None] = mapped_column(Integer)
    eta_s: Mapped[float | None] = mapped_column(Double)
    exit_code: Mapped[int | None] = mapped_column(Integer)
    failure_reason: Mapped[str | None] = mapped_column(Word)
    failure_detail: Mapped[str | None] = mapped_column(Text)
    path: Mapped[str | None] = mapped_column(Text)  # output folder of the last attempt, relative to the artifact root
    result: Mapped[dict[str, Any] | None]  # result.json as it was read back from disk
    created_at: Mapped[float] = mapped_column(Double)
    queued_at: Mapped[float] = mapped_column(Double)  # when it was queued last
    queued_uptime_s: Mapped[float | None] = mapped_column(Double)  # the same by service.store.uptime, once seen queued
    running_s: Mapped[float | None] = mapped_column(Double)  # running time over all attempts, at the last renewal
    started_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    version: Mapped[int] = mapped_column(Integer, default=1)
    name: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then
    labels: Mapped[dict[str, Any] | None]
    metrics_thinned_at: Mapped[float | None] = mapped_column(Double)


class AttemptRow(Base):
    """One worker's try at a run, under one lease."""

    __tablename__ = "attempts"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    worker: Mapped[str] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(Text)
    checkpoint: Mapped[str | None] = mapped_column(Text)  # its last checkpoint, relative to the artifact root
    checkpoint_step: Mapped[int | None] = mapped_column(Integer)
    last_event: Mapped[int] = mapped_column(Integer, default=0)  # number of the trainer's last event that is in SQL
    outcome: Mapped[str | None] = mapped_column(Word)
    exit_code: Mapped[int | None] = mapped_column(Integer)
    started_at: Mapped[float] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    duration_s: Mapped[float | None] = mapped_column(Double)  # by the worker's monotonic clock, at the last renewal


class EventRow(Base):
    """Events in order: state transitions, and the trainers' events (metrics have a table of their own)."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_run", "run_id", "id"), Index("ix_events_experiment", "experiment_id", "id"))

    id: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id"))
    experiment_id: Mapped[str | None] = mapped_column(ForeignKey("experiments.id"))
    attempt: Mapped[int | None] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Word)  # transition, or cellgate.contract.events.EventKind
    at: Mapped[float] = mapped_column(Double)
    body: Mapped[dict[str, Any]]


class MetricRow(Base):
    """One point of one curve."""

    __tablename__ = "metrics"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[float] = mapped_column(Double)
    at: Mapped[float] = mapped_column(Double)


class LogRow(Base):
    """A numbered chunk of a trainer's output."""

    __tablename__ = "logs"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Double)


class DecisionRow(Base):
    """A decision as it was taken: its body and what it knew are never changed."""

    __tablename__ = "decisions"

    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(Word, primary_key=True)
    body: Mapped[dict[str, Any]]
    taken_at: Mapped[float] = mapped_column(Double)
    known: Mapped[dict[str, Any] | None]  # gate and policy as it knew them
    overruling: Mapped[dict[str, Any] | None]  # a person's last one; all of them are events


class BundleRow(Base):
    """A bundle, packed of an experiment's runs by a job of its own."""

    __tablename__ = "bundles"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    kind: Mapped[str] = mapped_column(Word)
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double)
    version: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    name: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then
    labels: Mapped[dict[str, Any] | None]


class UploadRow(Base):
    """A file that a caller has sent; the same bytes under the same name are one row."""

    __tablename__ = "uploads"
    __table_args__ = (UniqueConstraint("path", name="uq_uploads_path"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(80))
    path: Mapped[str] = mapped_column(Text)  # key in the artifact store: it does not follow the name
    owner_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double)
    version: Mapped[int] = mapped_column(Integer, default=1)
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then
    labels: Mapped[dict[str, Any] | None]


class RemovalRow(Base):
    """Files to be removed by the reconciler; written in the transaction that deletes their rows."""

    __tablename__ = "removals"

    id: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(Text)  # a file or folder in the artifact store
    created_at: Mapped[float] = mapped_column(Double)
    due_at: Mapped[float] = mapped_column(Double)
    removed_at: Mapped[float | None] = mapped_column(Double)  # removed once, and looked at again a little later


class StorageRow(Base):
    """Bytes of one kind of one owner, as they were measured last."""

    __tablename__ = "storage"

    kind: Mapped[str] = mapped_column(Word, primary_key=True)
    # Id of the principal, or the name where a run has no id of its owner; empty: nobody's.
    owner: Mapped[str] = mapped_column(Owner, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(Integer)
    measured_at: Mapped[float] = mapped_column(Double)


class WebhookRow(Base):
    """A subscription to events."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[Any]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(String(80))  # what its deliveries are signed with; a hash could not sign
    active: Mapped[bool]
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    failures: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # failed tries in a row
    probe_at: Mapped[float | None] = mapped_column(Double)  # its circuit is open: no delivery is tried before
    created_at: Mapped[float] = mapped_column(Double)


class DeliveryRow(Base):
    """The outbox: one event for one webhook, inserted in the transaction that causes the event."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_due", "state", "next_at"),
        Index("ix_deliveries_webhook_id", "webhook_id", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    # No foreign key: deleting a webhook at the same moment must not roll back the event's transaction.
    webhook_id: Mapped[str] = mapped_column(Id)
    event: Mapped[str] = mapped_column(Word)
    body: Mapped[str] = mapped_column(Text)  # the very bytes that are signed
    state: Mapped[str] = mapped_column(Word)
    tries: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[float | None] = mapped_column(Double)  # when to try (again); None: never
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Double, index=True)
    created_uptime_s: Mapped[float | None] = mapped_column(Double)  # None: inserted by release 0.2


class WorkerRow(Base):
    """A worker process, alive or silent."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    queues: Mapped[list[Any]]
    slots: Mapped[int] = mapped_column(Integer)
    draining: Mapped[bool] = mapped_column(server_default=false())  # takes no more runs
    # Whether it hears notifications; NULL: not yet known, or a release that claims only when notified.
    listening: Mapped[bool | None]
    started_at: Mapped[float] = mapped_column(Double)
    heartbeat_at: Mapped[float] = mapped_column(Double)
    version: Mapped[str | None] = mapped_column(String(40))  # of its release; None: older than this column
    has_room: Mapped[bool | None]  # whether its artifact folder has the reserve free; None: not known
    seen_heartbeat_at: Mapped[float | None] = mapped_column(Double)  # the heartbeat that a reconciler saw last
    seen_uptime_s: Mapped[float | None] = mapped_column(Double)  # when that changed, by service.store.uptime


class UptimeRow(Base):
    """How long a reconciler has been at work, in all: one row, which only grows."""

    __tablename__ = "uptime"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seconds: Mapped[float] = mapped_column(Double)


class WatchedThreadRow(Base):
    """A long-lived thread or task that has ended unexpectedly and was started again."""

    __tablename__ = "watched_threads"

    process: Mapped[str] = mapped_column(Word, primary_key=True)  # api | worker | reconciler | up
    thread: Mapped[str] = mapped_column(String(80), primary_key=True)
    deaths: Mapped[int] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(String(80))  # class of the last exception
    died_at: Mapped[float] = mapped_column(Double)
    died_uptime_s: Mapped[float] = mapped_column(Double)


class IdempotencyRow(Base):
    """The response to a caller's POST with an Idempotency-Key."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(80))
    status: Mapped[int] = mapped_column(Integer)
    location: Mapped[str | None] = mapped_column(Text)
    body: Mapped[dict[str, Any]]
    owner_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[float] = mapped_column(Double, index=True)


class PrincipalRow(Base):
    """Somebody, or something, that owns things; its id is never used again."""

    __tablename__ = "principals"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Owner)
    created_at: Mapped[float] = mapped_column(Double)


class TokenRow(Base):
    """A token: its hash, scope and lifetime."""

    __tablename__ = "tokens"
    __table_args__ = (
        Index("ix_tokens_prefix", "prefix"),
        # Names are unique among those that were not revoked.
        Index(
            "uq_tokens_live",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    principal_id: Mapped[str | None] = mapped_column(Id)  # None: made by a release before 0.3, not used since
    name: Mapped[str] = mapped_column(Owner)
    prefix: Mapped[str] = mapped_column(String(20))  # of the token, for people and to find it by
    hash: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(Word)
    created_at: Mapped[float] = mapped_column(Double)
    expires_at: Mapped[float | None] = mapped_column(Double)
    revoked_at: Mapped[float | None] = mapped_column(Double)
    last_used_at: Mapped[float | None] = mapped_column(Double)


class AuditRow(Base):
    """Who did what to what, when and from where; only ever added, and removed by age alone."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_principal_id", "principal_id", "id"),
        Index("ix_audit_object_id", "object_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    at: Mapped[float] = mapped_column(Double, index=True)
    principal_id: Mapped[str] = mapped_column(Id)
    principal: Mapped[str] = mapped_column(Owner)  # its name then
    token_id: Mapped[str | None] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(80))
    outcome: Mapped[str] = mapped_column(Word)
    kind: Mapped[str | None] = mapped_column(Word)
    object_id: Mapped[str | None] = mapped_column(String(200))
    address: Mapped[str | None] = mapped_column(String(80))
    reason: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]]
