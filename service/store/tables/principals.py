"""Who may do what, and who did."""

from typing import Any

from sqlalchemy import Double, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Base, Counter, Id, Owner, Word


class PrincipalRow(Base):
    """Somebody, or something, that owns things; its id is never used again."""

    __tablename__ = "principals"
    __table_args__ = (Index("ix_principals_name", "name"),)

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


class SessionRow(Base):
    """A browser that has signed in with a token; it ends with the token."""

    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the cookie's value
    token_id: Mapped[str | None] = mapped_column(Id)  # None: the token of the settings
    token_hash: Mapped[str] = mapped_column(String(64))  # another token in the settings ends its sessions
    created_at: Mapped[float] = mapped_column(Double)
    expires_at: Mapped[float] = mapped_column(Double, index=True)


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
