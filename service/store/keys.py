"""Idempotency keys: each caller's own."""

import hashlib


def stored_key(principal_id: str, key: str) -> str:
    """Return what a caller's key is stored as: two callers never meet, whatever their keys."""
    return f"sha256:{hashlib.sha256(f'{principal_id} {key}'.encode()).hexdigest()}"
