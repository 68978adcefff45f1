"""Authentication: whose token or session a request came with, or `local` where no token is required."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from fastapi import Request
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from service.api.cookies import session_in
from service.api.csrf import check_own_page
from service.domain.errors import SessionEnded, Unauthorized
from service.domain.principals import LOCAL, OF_THE_SETTINGS, Principal
from service.domain.tokens import digest, is_session
from service.settings import Settings
from service.store.database import Database
from service.store.sessions import find_session, session_fault
from service.store.tokens import USE_NOTED_EVERY_S, find_token, note_use, principal_of, token_fault

# A token that was revoked or has expired is accepted for no longer than this, whichever process revoked it.
CACHED_S = 2.5
# What a token streams or waits for is looked at again so often: with the above it ends within five seconds.
RECHECK_S = 2.0
MOST_CACHED = 1000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Cached:
    principal: Principal
    until: float


class TokenCache:
    """Finds the principal of a token or a session, and keeps it for a few seconds: polling costs no query each time.

    Args:
        settings: May hold a token of their own.
        database: Holds the digests of all others.
        clock: Returns seconds that never go back.
    """

    def __init__(self, settings: Settings, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._configured = None if settings.token is None else settings.token.get_secret_value()
        self._database = database
        self._clock = clock
        # A plain dict: an entry ends some seconds after its query began, and requests of other threads read it.
        self._cached: dict[str, _Cached] = {}
        self._use_noted_at: dict[str, float] = {}

    def cached(self, secret: str) -> Principal | None:
        """Return the principal that this token or session had a few seconds ago; costs no query."""
        found = self._cached.get(digest(secret))
        return None if found is None or found.until <= self._clock() else found.principal

    def look_up(self, secret: str) -> Principal | None:
        """Return the principal that this token or session has now, or None.

        Raises:
            sqlalchemy.exc.OperationalError: The database cannot be reached.
        """
        until = self._clock() + CACHED_S
        principal = self._find(secret)
        if principal is None:
            self._cached.pop(digest(secret), None)
            return None
        if len(self._cached) >= MOST_CACHED:
            self.forget()
        self._cached[digest(secret)] = _Cached(principal=principal, until=until)
        return principal

    def fault_of(self, secret: str) -> str:
        """Return in words why nobody has this token or session; only who holds its secret is told so much.

        Raises:
            sqlalchemy.exc.OperationalError: The database did not do as asked.
        """
        with self._database.read() as session:
            return session_fault(session, secret) if is_session(secret) else token_fault(session, secret)

    def forget(self) -> None:
        """Drop every entry: a token or a session has changed."""
        self._cached.clear()

    def _find(self, secret: str) -> Principal | None:
        return self._find_by_session(secret) if is_session(secret) else self._find_by_token(secret)

    def _find_by_session(self, secret: str) -> Principal | None:
        with self._database.read() as session:
            principal = find_session(session, secret, self._configured)
        if principal is not None and principal.token_id is not None:
            self._note_use(principal.token_id)
        return principal

    def _find_by_token(self, secret: str) -> Principal | None:
        # As bytes: a header may hold anything, and text beyond ASCII cannot be compared in constant time.
        if self._configured is not None and secrets.compare_digest(secret.encode(), self._configured.encode()):
            return OF_THE_SETTINGS
        with self._database.read() as session:
            row = find_token(session, secret)
            if row is None:
                return None
            principal = None if row.principal_id is None else principal_of(session, row)
        if principal is None:
            with self._database.begin() as session:
                principal = principal_of(session, row)
        self._note_use(row.id)
        return principal

    def _note_use(self, token_id: str) -> None:
        now = self._clock()
        if now - self._use_noted_at.get(token_id, -USE_NOTED_EVERY_S) < USE_NOTED_EVERY_S:
            return
        self._use_noted_at[token_id] = now
        try:
            with self._database.begin() as session:
                note_use(session, token_id)
        except OperationalError:
            # The principal was found; that a note of it fails must not stop it.
            log.warning("token_use_not_noted", token=token_id)


async def authenticate(request: Request, tokens: TokenCache, *, token_required: bool) -> Principal:
    """Return the principal that sends this request.

    Args:
        request: Its `Authorization` header may hold a bearer token; else a cookie may name a session.
        tokens: Finds the principal of a token.
        token_required: Whether a request without a token is refused. One with a wrong token always is.

    Raises:
        Unauthorized: The token is missing where one is needed, or it is wrong; or the session has ended.
        ForeignCaller: A page of another origin has made a browser send its session.
        sqlalchemy.exc.OperationalError: The database cannot be reached.
    """
    secret = _bearer(request)
    if secret is not None:
        return await _principal_of(secret, tokens)
    session = session_in(request)
    if session is not None:
        try:
            principal = await _principal_of(session, tokens)
        except SessionEnded:
            if token_required:
                raise
            # Where no token is needed, an old cookie is no reason to refuse.
            return LOCAL
        check_own_page(request)
        return principal
    if token_required:
        raise Unauthorized("the request has no bearer token: send `Authorization: Bearer …`, or sign in on the page")
    return LOCAL


async def _principal_of(secret: str, tokens: TokenCache) -> Principal:
    principal = tokens.cached(secret) or await run_in_threadpool(tokens.look_up, secret)
    if principal is None:
        fault = await run_in_threadpool(tokens.fault_of, secret)
        if is_session(secret):
            raise SessionEnded(f"the session {fault}: sign in again")
        raise Unauthorized(f"the bearer token {fault}: send another, or get one from an admin")
    return principal


class Permit:
    """The right of a long request to go on: its token or session may end while it is answered.

    Args:
        request: Was let in.
        tokens: Know whose token it came with.
    """

    def __init__(self, request: Request, tokens: TokenCache) -> None:
        # Who was let in without either needs neither.
        by_session = request.state.principal.session_expires_at is not None
        self._secret = session_in(request) if by_session else _bearer(request)
        self._tokens = tokens

    async def check(self) -> None:
        """Return if the request would still be let in.

        Raises:
            Unauthorized: Its token was revoked or has expired, or its session has ended.
            sqlalchemy.exc.OperationalError: The database cannot be reached.
        """
        if self._secret is not None:
            await _principal_of(self._secret, self._tokens)


def _bearer(request: Request) -> str | None:
    """Return the token that was sent, or None where none was."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, given = header.partition(" ")
    secret = given.strip()
    if scheme.lower() != "bearer" or not secret or is_session(secret):
        raise Unauthorized("the Authorization header holds no bearer token: send `Authorization: Bearer …`")
    return secret
