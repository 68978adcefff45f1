"""Tokens: create, find and revoke them. Only hashes are stored."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cellgate.contract.api.tokens import Scope
from service.domain.errors import Conflict, InvalidSpec, Mistake, NotFound
from service.domain.tokens import RESERVED_NAMES, SHAPE, digest, new_secret, visible
from service.store.database import now_s
from service.store.lookup import get_row, new_id
from service.store.tables import TokenRow

# A token's last use is written no more often than this.
USE_NOTED_EVERY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """A token that was just made.

    Args:
        row: What is stored.
        secret: The token itself; it cannot be shown again.
    """

    row: TokenRow
    secret: str


def create_token(session: Session, *, name: str, scope: Scope, expires_in_s: float | None = None) -> NewToken:
    """Make a token.

    Args:
        session: An open transaction.
        name: Matches `service.domain.tokens.NAME`; owns everything that is requested with the token.
        scope: What the token allows.
        expires_in_s: Lifetime in seconds; None: valid until it is revoked.

    Raises:
        InvalidSpec: The name is reserved.
        Conflict: A live token has this name.
    """
    if name in RESERVED_NAMES:
        detail = f"found {name!r}, which stands for callers without a token of their own: choose another name"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/name", detail=detail)])
    _retire_expired(session, name)
    secret, token_id = new_secret(), new_id("tok")
    values = {
        "id": token_id,
        "name": name,
        "prefix": visible(secret),
        "hash": digest(secret),
        "scope": scope,
        "created_at": now_s(),
        "expires_at": None if expires_in_s is None else now_s() + expires_in_s,
    }
    try:
        with session.begin_nested():
            session.execute(insert(TokenRow).values(values))
    except IntegrityError as error:
        raise Conflict(f"a live token is named {name!r} already: revoke it first, or choose another name") from error
    return NewToken(row=get_row(session, TokenRow, token_id), secret=secret)


def find_token(session: Session, secret: str) -> TokenRow | None:
    """Return the valid token with this secret, or None; hashes are compared in constant time."""
    # No other shape was ever issued, and a header may hold text that a database refuses.
    if not SHAPE.match(secret):
        return None
    wanted = digest(secret)
    candidates = session.scalars(select(TokenRow).where(TokenRow.prefix == visible(secret), _live())).all()
    return next((row for row in candidates if secrets.compare_digest(row.hash, wanted)), None)


def note_use(session: Session, token_id: str) -> None:
    """Store that the token was used now, at most once every USE_NOTED_EVERY_S."""
    stale = or_(TokenRow.last_used_at.is_(None), TokenRow.last_used_at < now_s() - USE_NOTED_EVERY_S)
    session.execute(update(TokenRow).where(TokenRow.id == token_id, stale).values(last_used_at=now_s()))


def list_tokens(session: Session) -> Sequence[TokenRow]:
    """Return all tokens, newest first, including expired and revoked ones."""
    return session.scalars(select(TokenRow).order_by(TokenRow.id.desc())).all()


def live_ids(session: Session) -> frozenset[str]:
    """Return the ids of the tokens that are valid now."""
    return frozenset(session.scalars(select(TokenRow.id).where(_live())))


def revoke_token(session: Session, token_id: str) -> None:
    """Revoke a token; do nothing if it is revoked already.

    Raises:
        NotFound: There is no such token.
    """
    get_row(session, TokenRow, token_id)
    session.execute(
        update(TokenRow).where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None)).values(revoked_at=now_s())
    )


def revoke_named(session: Session, name: str) -> None:
    """Revoke the token of this name.

    Raises:
        NotFound: No live token has this name.
    """
    named = update(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None)).values(revoked_at=now_s())
    if session.execute(named.returning(TokenRow.id)).scalar() is None:
        raise NotFound(f"no token that could be revoked is named {name!r}: `cellgate token ls` lists them")


def has_live_admin(session: Session) -> bool:
    """Return whether a valid token of scope admin exists."""
    admin = select(TokenRow.id).where(TokenRow.scope == Scope.ADMIN, _live()).limit(1)
    return session.scalars(admin).one_or_none() is not None


def _live() -> ColumnElement[bool]:
    return TokenRow.revoked_at.is_(None) & or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > now_s())


def _retire_expired(session: Session, name: str) -> None:
    # The name of an expired token is free again, but the unique index excludes only revoked ones.
    gone = (TokenRow.name == name) & TokenRow.revoked_at.is_(None) & (TokenRow.expires_at <= now_s())
    session.execute(update(TokenRow).where(gone).values(revoked_at=TokenRow.expires_at))
