"""Sessions of browsers: open, find and end them. Only hashes are stored, and a session is worth what its token is."""

import secrets
from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from service.domain.principals import OF_THE_SETTINGS, Principal
from service.domain.tokens import digest, new_session_secret
from service.store.database import now_s
from service.store.tables import SessionRow, TokenRow
from service.store.tokens import find_live, how_ended, principal_of


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """A session that was just opened.

    Args:
        secret: The cookie's value; it cannot be shown again.
        lifetime_s: Seconds until it ends at the latest.
        expires_at: When that is, in seconds since the epoch.
    """

    secret: str
    lifetime_s: float
    expires_at: float


def open_session(session: Session, principal: Principal, token: str, *, lifetime_s: float) -> NewSession:
    """Open a session; those that have expired are removed on the way.

    Args:
        session: An open transaction.
        principal: Whose token it is.
        token: The valid token.
        lifetime_s: Longest lifetime in seconds; it ends with the token in any case.
    """
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= now_s()))
    opened_at = float(session.scalar(select(now_s())) or 0.0)
    expires_at = min(opened_at + lifetime_s, principal.expires_at or float("inf"))
    secret = new_session_secret()
    values = {
        "hash": digest(secret),
        "token_id": principal.token_id,
        "token_hash": digest(token),
        "created_at": opened_at,
        "expires_at": expires_at,
    }
    session.execute(insert(SessionRow).values(values))
    return NewSession(secret=secret, lifetime_s=expires_at - opened_at, expires_at=expires_at)


def find_session(session: Session, secret: str, configured: str | None) -> Principal | None:
    """Return the principal of a session while both it and its token are valid, or None.

    Args:
        session: An open transaction.
        secret: The cookie's value.
        configured: The token of the settings, if any.
    """
    row = session.scalar(select(SessionRow).where(SessionRow.hash == digest(secret), SessionRow.expires_at > now_s()))
    found = None if row is None else _principal(session, row, configured)
    return None if row is None or found is None else replace(found, session_expires_at=row.expires_at)


def session_fault(session: Session, secret: str) -> str:
    """Return in words why `find_session` finds no principal for this session."""
    row = session.get(SessionRow, digest(secret))
    if row is None:
        return "was signed out, or has expired"
    if row.token_id is None:
        return "has ended: the settings have another token"
    token = session.get(TokenRow, row.token_id)
    if token is None or find_live(session, row.token_id) is not None:
        return "has expired"
    return f"has ended: its token {how_ended(token)}"


def end_session(session: Session, secret: str) -> None:
    """End a session, if it is not over already."""
    session.execute(delete(SessionRow).where(SessionRow.hash == digest(secret)))


def _principal(session: Session, row: SessionRow, configured: str | None) -> Principal | None:
    if row.token_id is None:
        same = configured is not None and secrets.compare_digest(row.token_hash, digest(configured))
        return OF_THE_SETTINGS if same else None
    token = find_live(session, row.token_id)
    return None if token is None else principal_of(session, token)
