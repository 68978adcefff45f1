"""Requests and answers about tokens."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from cellgate.contract.api.common import (
    Answer,
    Request,
)
from cellgate.contract.identifiers import PRINCIPAL_ID

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
LONGEST_S = 10 * 365 * 86_400


class Scope(StrEnum):
    """Scope of a token; each includes those before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether a token with this scope allows requests that need `other`."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class TokenCreate(Request):
    """Make a token."""

    name: Annotated[str, StringConstraints(pattern=NAME)] = Field(description="Unique among live tokens.")
    scope: Scope = Field(description="`read`: only read; `submit`: also create and act; `admin`: everything.")
    expires_in_s: int | None = Field(
        None, ge=1, le=LONGEST_S, description="Lifetime in seconds; default: until it is revoked."
    )
    principal: Annotated[str, StringConstraints(pattern=PRINCIPAL_ID)] | None = Field(
        None,
        description="Whose token it is: owns what is requested with it, and quotas count by it. Default: somebody new, "
        "who owns nothing yet, whoever had a token of this name before.",
    )


class SignIn(Request):
    """Open a session with a token."""

    token: str = Field(min_length=1, max_length=1000, description="The token; the session can do what it can.")


class TokenAnswer(Answer):
    """A token, without the token itself."""

    id: str
    name: str
    principal: str | None = Field(description="Immutable id of whose token it is.")
    prefix: str = Field(description="First characters of the token.")
    scope: Scope
    live: bool = Field(description="Whether the token is accepted: neither revoked nor expired.")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    last_used_at: AwareDatetime | None = Field(description="Time of the last use, to the minute.")


class NewTokenAnswer(TokenAnswer):
    """A new token."""

    token: str = Field(description="The token itself; only this answer shows it, and the service does not store it.")
