"""What the deployment knows of itself: workers, uptime, files to remove, bytes stored."""

from typing import Any

from sqlalchemy import BigInteger, Double, Integer, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Base, Counter, Owner, Word


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
