"""Answers about rights: who one is, and the audit log."""

from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer
from cellgate.contract.api.tokens import Scope


class AuditOutcome(StrEnum):
    """Whether an action was done."""

    DONE = "done"
    REFUSED = "refused"


class AuditAnswer(Answer):
    """One entry of the audit log."""

    id: int
    at: AwareDatetime
    principal: str = Field(description="Name of who acted, then.")
    principal_id: str = Field(description="Immutable id of who acted.")
    token_id: str | None = Field(description="The token; null for that of the settings, for none, and for the console.")
    action: str = Field(description="Operation, as in this document, or of a command on the database.")
    outcome: AuditOutcome
    kind: str | None = Field(description="Kind of what was changed.")
    object_id: str | None = Field(description="Id of what was changed.")
    address: str | None = Field(description="Where the request came from; null for the console and the service itself.")
    reason: str | None = Field(description="Reason, in the person's words, where one was given.")
    detail: dict[str, Any] = Field(description="Further facts for people.")


class WhoamiAnswer(Answer):
    """Who the caller is, and what its token allows."""

    name: str
    principal_id: str = Field(description="Immutable id; owns what the caller makes.")
    scope: Scope
    token_id: str | None = Field(description="Null for the token of the settings, and where no token is needed.")
    expires_at: AwareDatetime | None = Field(description="When the token ends; null: it does not.")
    session_expires_at: AwareDatetime | None = Field(
        None, description="When the session ends that the request came with; null: it came with a token, or with none."
    )
