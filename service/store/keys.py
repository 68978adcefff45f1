"""Idempotency keys: each caller's own, known for a day."""

import hashlib

from sqlalchemy import delete
from sqlalchemy.orm import Session

from service.store.database import now_s
from service.store.tables import IdempotencyRow

KEPT_S = 86_400.0


def stored_key(principal_id: str, key: str) -> str:
    """Return what a caller's key is stored as: two callers never meet, whatever their keys."""
    return f"sha256:{hashlib.sha256(f'{principal_id} {key}'.encode()).hexdigest()}"


def remove_old_keys(session: Session) -> int:
    """Remove keys older than `KEPT_S`, and return how many."""
    old = delete(IdempotencyRow).where(IdempotencyRow.created_at < now_s() - KEPT_S)
    return len(session.scalars(old.returning(IdempotencyRow.key)).all())
