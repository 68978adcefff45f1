"""Which tokens are good, remembered for a few seconds: polling with one costs no query each time."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import OperationalError

from cellgate.contract.api.tokens import Scope
from service.domain.tokens import OF_THE_SETTINGS, Principal, digest
from service.settings import Settings
from service.store.database import Database
from service.store.tokens import USE_NOTED_EVERY_S, find_token, note_use

# A token that was revoked by another process is good for no longer than this.
REMEMBERED_S = 5.0
MOST_REMEMBERED = 1000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Known:
    principal: Principal
    until: float


class TokenCache:
    """Tells who a token belongs to.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, settings: Settings, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._of_the_settings = None if settings.token is None else settings.token.get_secret_value()
        self._database = database
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._use_noted_at: dict[str, float] = {}

    def cached(self, secret: str) -> Principal | None:
        """Return whose token this was a few seconds ago; costs no query."""
        known = self._known.get(digest(secret))
        return None if known is None or known.until <= self._clock() else known.principal

    def was_valid(self, secret: str) -> bool:
        """Whether this is no guess: it was somebody's token, and may still be."""
        return digest(secret) in self._known

    def look_up(self, secret: str) -> Principal | None:
        """Return whose token this is now, or None.

        Raises:
            sqlalchemy.exc.OperationalError: The database cannot be reached.
        """
        until = self._clock() + REMEMBERED_S
        principal = self._caller(secret)
        if principal is None:
            self._known.pop(digest(secret), None)
            return None
        if len(self._known) >= MOST_REMEMBERED:
            self.forget()
        self._known[digest(secret)] = _Known(principal=principal, until=until)
        return principal

    def forget(self) -> None:
        """Ask the database anew for every token: one has changed."""
        self._known.clear()

    def _caller(self, secret: str) -> Principal | None:
        configured = self._of_the_settings
        # As bytes: a header may hold anything, and text beyond ASCII cannot be compared in constant time.
        if configured is not None and secrets.compare_digest(secret.encode(), configured.encode()):
            return Principal(name=OF_THE_SETTINGS, scope=Scope.ADMIN)
        with self._database.read() as session:
            row = find_token(session, secret)
        if row is None:
            return None
        self._note_use(row.id)
        return Principal(name=row.name, scope=Scope(row.scope))

    def _note_use(self, token_id: str) -> None:
        now = self._clock()
        if now - self._use_noted_at.get(token_id, -USE_NOTED_EVERY_S) < USE_NOTED_EVERY_S:
            return
        self._use_noted_at[token_id] = now
        try:
            with self._database.begin() as session:
                note_use(session, token_id)
        except OperationalError:
            # Who may ask was found; that a note of it fails must not stop them.
            log.warning("token_use_not_noted", token=token_id)
