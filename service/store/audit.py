"""The audit log: who did what to what, when, from where and why. Entries are added; only their age removes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cellgate.contract.api.audit import AuditOutcome
from service.domain.principals import SYSTEM, Principal
from service.store.batches import PACE, Pace, delete_rows, in_batches, time_ago_s
from service.store.database import Database, now_s
from service.store.tables import AuditRow, table_of

# Kept: to build a statement takes longer than to execute it.
_INSERT = insert(table_of(AuditRow)).values(at=now_s())
RECORDED = "audit_recorded"
PRUNED = "prune_audit"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts.

    Args:
        principal: On whose account.
        address: Where the request came from; None: from this machine's console, or from the service itself.
    """

    principal: Principal
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What somebody did, or was refused to do.

    Args:
        action: Name of the operation, as in the OpenAPI document or docs/reference/rights.md.
        kind: Of the thing, e.g. `run`; None: of no one thing.
        object_id: Its id.
        outcome: Whether it was done.
        reason: Why, in the person's words, where one was given.
        detail: JSON values for people; no secrets.
    """

    action: str
    kind: str | None = None
    object_id: str | None = None
    outcome: AuditOutcome = AuditOutcome.DONE
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AuditFilters:
    """Filters of the audit log; None matches everything.

    Args:
        principal_id: Who.
        object_id: What it was done to.
        action: What was done.
        outcome: Whether it was done or refused.
        since_s: At this time or later, in seconds since the epoch.
        before_s: Before this time.
    """

    principal_id: str | None = None
    object_id: str | None = None
    action: str | None = None
    outcome: AuditOutcome | None = None
    since_s: float | None = None
    before_s: float | None = None


EVERY_ENTRY = AuditFilters()


def record(session: Session, actor: Actor, entry: Entry) -> None:
    """Add an entry, in the transaction of the change that it tells of.

    Args:
        session: That transaction.
        actor: Who acts.
        entry: What is done.
    """
    principal = actor.principal
    values = {
        "principal_id": principal.id,
        "principal": principal.name,
        "token_id": principal.token_id,
        "action": entry.action,
        "outcome": entry.outcome.value,
        "kind": entry.kind,
        "object_id": entry.object_id,
        "address": actor.address,
        "reason": entry.reason,
        "detail": dict(entry.detail),
    }
    session.execute(_INSERT, values)
    session.info[RECORDED] = True


def is_recorded(session: Session) -> bool:
    """Return whether this transaction has an entry."""
    return bool(session.info.get(RECORDED))


def list_audit(
    session: Session, wanted: AuditFilters = EVERY_ENTRY, *, after: int | None = None, limit: int = 50
) -> Sequence[AuditRow]:
    """Return a page of entries, newest first.

    Args:
        session: An open transaction.
        wanted: Filters.
        after: Id of the last entry of the page before.
        limit: Entries at most.
    """
    chosen = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    equal = {
        AuditRow.principal_id: wanted.principal_id,
        AuditRow.object_id: wanted.object_id,
        AuditRow.action: wanted.action,
        AuditRow.outcome: wanted.outcome,
    }
    for column, value in equal.items():
        if value is not None:
            chosen = chosen.where(column == value)
    if after is not None:
        chosen = chosen.where(AuditRow.id < after)
    if wanted.since_s is not None:
        chosen = chosen.where(AuditRow.at >= wanted.since_s)
    if wanted.before_s is not None:
        chosen = chosen.where(AuditRow.at < wanted.before_s)
    return session.scalars(chosen).all()


def prune_audit(database: Database, *, kept_s: float, pace: Pace = PACE) -> int:
    """Remove entries older than `kept_s` seconds, and return how many were found; each batch is an entry too."""
    old = AuditRow.at < time_ago_s(database, kept_s)

    def remove(session: Session, ids: Sequence[int]) -> None:
        if count := delete_rows(session, AuditRow.id, ids, old):
            detail = {"removed": count, "kept_s": kept_s}
            record(session, Actor(principal=SYSTEM), Entry(action=PRUNED, kind="audit", detail=detail))

    return in_batches(database, select(AuditRow.id).where(old), remove, pace=pace)
