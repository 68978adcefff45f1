"""Principals: who sends a request, and whom things belong to.

A principal's id never changes and is never used again; its name is for people, and may come again with another one.
"""

from dataclasses import dataclass

from cellgate.contract.api.tokens import Scope


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whom a thing belongs to.

    Args:
        id: Of the principal; None for a thing whose owner is unknown: only admins may change it.
        name: Of the principal when the thing was made.
    """

    id: str | None
    name: str | None


NOBODY = Owner(id=None, name=None)


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The sender of a request.

    Args:
        id: Owns what the request makes; quotas are per id.
        name: For people.
        scope: What the request may do.
        token_id: The token that it came with; None for one of the settings, and for none.
        expires_at: When that token ends, in seconds since the epoch; None: never.
        session_expires_at: When the session ends that it came with; None: it came with none.
    """

    id: str
    name: str
    scope: Scope
    token_id: str | None = None
    expires_at: float | None = None
    session_expires_at: float | None = None

    @property
    def owner(self) -> Owner:
        """Whom everything belongs to that this principal makes."""
        return Owner(id=self.id, name=self.name)


def _fixed(number: int, name: str) -> Principal:
    return Principal(id=f"pri_{number:026}", name=name, scope=Scope.ADMIN)


# Principals without a stored token. Migration 0008 inserted their rows.
LOCAL = _fixed(1, "local")  # a request without a token, where none is needed
OF_THE_SETTINGS = _fixed(2, "token")  # a request with the token of the settings
CONSOLE = _fixed(3, "console")  # a command on the database itself
SYSTEM = _fixed(4, "system")  # the service on its own account
FIXED = (LOCAL, OF_THE_SETTINGS, CONSOLE, SYSTEM)
RESERVED_NAMES = frozenset(one.name for one in FIXED)
# Owner keys are an id or, for old rows, a name: no name may look like an id.
RESERVED_START = "pri_"
