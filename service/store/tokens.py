"""Tokens: create, find and revoke them. Only hashes are stored."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cellgate.contract.api.tokens import Scope
from service.domain.errors import Conflict, InvalidSpec, Mistake, NotFound
from service.domain.principals import CONSOLE, RESERVED_NAMES, RESERVED_START, SYSTEM, Principal
from service.domain.tokens import SHAPE, digest, new_secret, visible
from service.store.database import now_s
from service.store.lookup import get_row, new_id
from service.store.principals import create_principal, get_principal
from service.store.tables import PrincipalRow, TokenRow

# On the audit log, nobody with a token may pass for one of these.
WITHOUT_TOKENS = frozenset({CONSOLE.id, SYSTEM.id})
# A token's last use is written no more often than this.
USE_NOTED_EVERY_S = 60.0
# Why a token is refused that was never made here.
UNKNOWN = "is none of this server's"


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """A token that was just made.

    Args:
        row: What is stored.
        secret: The token itself; it cannot be shown again.
        replaced: Id of the token that was revoked for it.
    """

    row: TokenRow
    secret: str
    replaced: str | None = None


def create_token(
    session: Session,
    *,
    name: str,
    scope: Scope,
    expires_in_s: float | None = None,
    principal_id: str | None = None,
) -> NewToken:
    """Make a token.

    Args:
        session: An open transaction.
        name: Matches `cellgate.contract.api.tokens.NAME`; unique among live tokens.
        scope: What the token allows.
        expires_in_s: Lifetime in seconds; None: valid until it is revoked.
        principal_id: Who may use it, and owns everything that is requested with it; None: somebody new, who owns
            nothing yet, whoever had a token of this name before.

    Raises:
        InvalidSpec: The name or the principal is reserved, or there is no such principal.
        Conflict: A live token has this name.
    """
    if name in RESERVED_NAMES or name.startswith(RESERVED_START):
        detail = f"found {name!r}, which stands for callers without a token of their own: choose another name"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/name", detail=detail)])
    _retire_expired(session, name)
    secret, token_id = new_secret(), new_id("tok")
    values = {
        "id": token_id,
        "principal_id": _principal(session, name, principal_id).id,
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


def _principal(session: Session, name: str, principal_id: str | None) -> PrincipalRow:
    if principal_id is None:
        return create_principal(session, name)
    if principal_id in WITHOUT_TOKENS:
        detail = f"found {principal_id}, which stands for what is done without a request: choose another principal"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/principal", detail=detail)])
    try:
        return get_principal(session, principal_id)
    except NotFound as error:
        detail = f"{error.detail}; GET /v1/tokens shows that of each token"
        raise InvalidSpec(detail, mistakes=[Mistake(pointer="/principal", detail=detail)]) from error


def principal_of(session: Session, row: TokenRow) -> Principal:
    """Return whose token this is.

    Args:
        session: A transaction that may write: a token that a process of the release before has made gets its principal.
        row: A valid token.
    """
    if row.principal_id is None:
        made = create_principal(session, row.name)
        unowned = (TokenRow.id == row.id) & TokenRow.principal_id.is_(None)
        session.execute(update(TokenRow).where(unowned).values(principal_id=made.id))
        row = get_row(session, TokenRow, row.id)
    owner = get_principal(session, str(row.principal_id))
    return Principal(id=owner.id, name=owner.name, scope=Scope(row.scope), token_id=row.id, expires_at=row.expires_at)


def find_token(session: Session, secret: str) -> TokenRow | None:
    """Return the valid token with this secret, or None; hashes are compared in constant time."""
    # No other shape was ever issued, and a header may hold text that a database refuses.
    if not SHAPE.match(secret):
        return None
    wanted = digest(secret)
    candidates = session.scalars(select(TokenRow).where(TokenRow.prefix == visible(secret), _live())).all()
    return next((row for row in candidates if secrets.compare_digest(row.hash, wanted)), None)


def find_live(session: Session, token_id: str) -> TokenRow | None:
    """Return the token with this id while it is valid, or None."""
    return session.scalar(select(TokenRow).where(TokenRow.id == token_id, _live()))


def token_fault(session: Session, secret: str) -> str:
    """Return in words why `find_token` finds no valid token with this secret."""
    if SHAPE.match(secret):
        candidates = session.scalars(select(TokenRow).where(TokenRow.prefix == visible(secret))).all()
        row = next((row for row in candidates if secrets.compare_digest(row.hash, digest(secret))), None)
        if row is not None:
            return how_ended(row)
    return UNKNOWN


def how_ended(row: TokenRow) -> str:
    """Return in words how a token that is not valid any more has ended."""
    # The name of an expired token was given away: `_retire_expired` has put its end there.
    return "has expired" if row.revoked_at in (None, row.expires_at) else "was revoked"


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


def revoke_token(session: Session, token_id: str) -> TokenRow:
    """Revoke a token, if it is not revoked already, and return it.

    Raises:
        NotFound: There is no such token.
    """
    get_row(session, TokenRow, token_id)
    session.execute(
        update(TokenRow).where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None)).values(revoked_at=now_s())
    )
    return get_row(session, TokenRow, token_id)


def revoke_named(session: Session, name: str) -> TokenRow:
    """Revoke the live token of this name, and return it.

    Raises:
        NotFound: No live token has this name.
    """
    named = update(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None)).values(revoked_at=now_s())
    token_id = session.execute(named.returning(TokenRow.id)).scalar()
    if token_id is None:
        raise NotFound(f"no token that could be revoked is named {name!r}: `cellgate token ls` lists them")
    return get_row(session, TokenRow, token_id)


def rotate_token(session: Session, name: str, *, expires_in_s: float | None = None) -> NewToken:
    """Revoke the live token of this name, and make a new one of its name, scope and principal.

    Args:
        session: An open transaction.
        name: Of the token.
        expires_in_s: Lifetime of the new one in seconds; None: valid until it is revoked.

    Raises:
        NotFound: No live token has this name.
    """
    old = revoke_named(session, name)
    principal_id = old.principal_id or principal_of(session, old).id
    made = create_token(
        session, name=name, scope=Scope(old.scope), expires_in_s=expires_in_s, principal_id=principal_id
    )
    return replace(made, replaced=old.id)


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
