"""Webhooks and their outbox."""

from typing import Any

from sqlalchemy import JSON, Double, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Base, Id, Owner, Word


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
