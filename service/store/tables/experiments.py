"""Experiments, and what came of them."""

from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Base, Id, Owner, Word


class ExperimentRow(Base):
    """An experiment on one data set."""

    __tablename__ = "experiments"
    __table_args__ = (
        Index("ix_experiments_outcome", "outcome", "id"),
        Index("ix_experiments_served_turn", "served_turn"),
        Index("ix_experiments_extends", "extends"),
        # Filters of lists, each with the order of pages.
        Index("ix_experiments_state", "state", "id"),
        Index("ix_experiments_dataset_id", "dataset_id", "id"),
        Index("ix_experiments_owner_id", "owner_id", "id"),
        Index(
            "ix_experiments_archived",
            "id",
            sqlite_where=text("archived_at IS NOT NULL"),
            postgresql_where=text("archived_at IS NOT NULL"),
        ),
        # Orders of lists.
        Index("ix_experiments_name", "name", "id"),
        Index("ix_experiments_best_f1", "best_f1", "id"),
        Index("ix_experiments_took_s", "took_s", "id"),
        Index("ix_experiments_finished_at", "finished_at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"))
    state: Mapped[str] = mapped_column(Word)
    autopilot: Mapped[bool]
    spec: Mapped[dict[str, Any]]
    gate: Mapped[dict[str, Any] | None]  # the report, frozen once 51 and 52 are terminal
    failure_detail: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Owner)
    owner_id: Mapped[str | None] = mapped_column(Id)
    served_at: Mapped[float | None] = mapped_column(Double)  # when a run of it was claimed last
    served_turn: Mapped[int | None] = mapped_column(BigInteger)  # the same as a number that no clock can set back
    extends: Mapped[str | None] = mapped_column(Id)  # the experiment that it repeats with more seeds
    created_at: Mapped[float] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    # What came of it, once it has ended; `service.store.conclusions` writes and reads these.
    outcome: Mapped[str | None] = mapped_column(Word)
    conclusion: Mapped[dict[str, Any] | None]
    concluded_at: Mapped[float | None] = mapped_column(Double)  # the `finished_at` that the conclusion is of
    took_s: Mapped[float | None] = mapped_column(Double)  # from its creation to that end
    best: Mapped[dict[str, Any] | None]  # F1 of the best option so far; `service.store.best_f1` writes it
    best_f1: Mapped[float | None] = mapped_column(Double)  # its mean
    predicted: Mapped[dict[str, Any] | None]  # seconds of one run by step, as predicted when it was submitted
    version: Mapped[int] = mapped_column(Integer, default=1)
    note: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[float | None] = mapped_column(Double)  # hidden from lists since then
    paused_at: Mapped[float | None] = mapped_column(Double)  # what it starts since then begins paused

    @property
    def paused(self) -> bool:
        """Whether a person has paused it."""
        return self.paused_at is not None


class LabelRow(Base):
    """A label of an experiment: one value per key."""

    __tablename__ = "labels"
    __table_args__ = (Index("ix_labels_value", "key", "value", "experiment_id"),)

    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[str] = mapped_column(String(63))


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
