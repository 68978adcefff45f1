"""Jobs and their runs, with everything that attempts report."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Base, Counter, Id, Owner, Word, table_of


class JobRow(Base):
    """One cell with one config; one run per seed."""

    __tablename__ = "jobs"
    # One job per step and experiment: two concurrent advances start nothing twice.
    __table_args__ = (
        UniqueConstraint("experiment_id", "step", name="uq_jobs_experiment_step"),
        Index("ix_jobs_served_turn", "served_turn"),
        Index("ix_jobs_queue_timeout_s", "queue_timeout_s"),
        # Filters and orders of lists, each with the order of pages.
        Index("ix_jobs_dataset_id", "dataset_id", "id"),
        Index("ix_jobs_cell", "cell", "id"),
        Index("ix_jobs_owner_id", "owner_id", "id"),
        Index(
            "ix_jobs_archived",
            "id",
            sqlite_where=text("archived_at IS NOT NULL"),
            postgresql_where=text("archived_at IS NOT NULL"),
        ),
        Index("ix_jobs_name", "name", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    experiment_id: Mapped[str | None] = mapped_column(ForeignKey("experiments.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"))  # none of an inspection
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
        Index("ix_runs_dispatched_at", "state", "dispatched_at"),
        Index("ix_runs_queued_uptime_s", "state", "queued_uptime_s"),
        Index("ix_runs_reuse_key", "reuse_key"),
        Index("ix_runs_reused_from", "reused_from"),
        # Filters and orders of lists, each with the order of pages.
        Index("ix_runs_state", "state", "id"),
        Index("ix_runs_cell", "cell", "id"),
        Index("ix_runs_owner_id", "owner_id", "id"),
        # Pairs that few runs may meet together, however many meet one of the two.
        Index("ix_runs_cell_state", "cell", "state", "id"),
        Index("ix_runs_owner_state", "owner_id", "state", "id"),
        Index(
            "ix_runs_archived",
            "id",
            sqlite_where=text("archived_at IS NOT NULL"),
            postgresql_where=text("archived_at IS NOT NULL"),
        ),
        Index("ix_runs_name", "name", "id"),
        Index("ix_runs_f1", "f1", "id"),
        Index("ix_runs_took_s", "took_s", "id"),
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
    # Whether it goes on as soon as it is paused: its experiment was resumed while it saved its checkpoint.
    resume_requested: Mapped[bool] = mapped_column(server_default=false(), default=False)
    fresh: Mapped[bool] = mapped_column(default=False, server_default=false())  # must not reuse an equal run's result
    reuse_key: Mapped[str | None] = mapped_column(String(80))  # of all that its result depends on; None: not known
    # The equal run whose result and folder it has; that one cannot be deleted alone.
    reused_from: Mapped[str | None] = mapped_column(Id)
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
    f1: Mapped[float | None] = mapped_column(Double)  # of the result, on the gate split
    took_s: Mapped[float | None] = mapped_column(Double)  # `running_s` once it has ended: an index follows it
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


# What is read of many runs: all but their results, which may be long, and outside of the ORM.
WITHOUT_RESULT = tuple(column for column in table_of(RunRow).columns if column.name != "result")
ListedRun = RunRow | Row[Any]


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
