"""Data sets, their names, and the files that callers have sent."""

from typing import Any

from sqlalchemy import BigInteger, Double, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Base, Id, Owner, Word


class DatasetRow(Base):
    """A prepared, immutable data set (or one on its way)."""

    __tablename__ = "datasets"
    # Filters and orders of lists, each with the order of pages.
    __table_args__ = (
        Index("ix_datasets_state", "state", "id"),
        Index("ix_datasets_owner_id", "owner_id", "id"),
        Index(
            "ix_datasets_archived",
            "id",
            sqlite_where=text("archived_at IS NOT NULL"),
            postgresql_where=text("archived_at IS NOT NULL"),
        ),
        Index("ix_datasets_name", "name", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
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
