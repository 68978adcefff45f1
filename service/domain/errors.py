"""Errors of the service, each with a stable code.

ServiceError
├── NotFound                no such thing
├── InvalidSpec             the request cannot be carried out; every mistake is listed
│   └── InvalidRequest      it does not match the OpenAPI document
├── ArtifactMissing         a file that a run has left is not there any more
├── StorageFull             the disk has no room
├── Conflict                the state does not allow it
│   ├── GateNotPassed       fusion before the gate has passed; carries the gate report
│   ├── MadeByOlderRelease  what is asked for was made before there was such a thing
│   ├── StillUsed           something depends on what is to be deleted
│   └── IdempotencyMismatch an Idempotency-Key came back with another body
├── PreconditionFailed      the thing is not the one that If-Match names any more
├── QuotaExceeded           the owner has reached a limit
├── Unauthorized            no token, or not this one
│   └── SessionEnded        the session of a browser is over
├── TooManyAttempts         too many wrong tokens from one address
├── MissingScope            the token does not allow this
├── NotOwner                the thing belongs to somebody else
├── PriorityNotAllowed      a priority that is for admins
└── ForeignCaller           a request of another site's page to a server without tokens
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake in a request.

    Args:
        pointer: RFC 6901 JSON pointer to it in the body (`/seeds/0`), or `#query/limit`, `#path/id`, `#header/name`.
        detail: What was found, expected, and what to do.
    """

    pointer: str
    detail: str


class ServiceError(Exception):
    """A refusal with a stable code.

    Args:
        detail: One sentence: what was found and what to do.
        mistakes: Every mistake in the request.
        extra: Further members of the problem document.
    """

    code = "service_error"

    def __init__(
        self, detail: str, *, mistakes: Iterable[Mistake] = (), extra: Mapping[str, object] | None = None
    ) -> None:
        self.detail = detail
        self.mistakes = tuple(mistakes)
        self.extra = dict(extra or {})
        super().__init__(detail)


class NotFound(ServiceError):
    """The row does not exist."""

    code = "not_found"


class InvalidSpec(ServiceError):
    """The request is well-formed JSON but cannot be carried out."""

    code = "invalid_spec"


class InvalidRequest(InvalidSpec):
    """The request does not match the OpenAPI document."""

    code = "invalid_request"


class ArtifactMissing(ServiceError):
    """A file that a run has left, or a folder of them, is gone or is not what the run left."""

    code = "artifact_missing"


class StorageFull(ServiceError):
    """The disk has no room for what was sent."""

    code = "storage_full"


class Conflict(ServiceError):
    """The state of the row does not allow the action."""

    code = "conflict"


class GateNotPassed(Conflict):
    """Fusion was requested before the validation gate passed."""

    code = "gate_not_passed"


class MadeByOlderRelease(Conflict):
    """What is asked for was made by a release that did not keep it yet."""

    code = "made_by_older_release"


class StillUsed(Conflict):
    """Something depends on what is to be deleted; the first dependents are listed."""

    code = "still_used"


class PreconditionFailed(ServiceError):
    """The thing has changed since the caller read the version that `If-Match` names."""

    code = "precondition_failed"


class IdempotencyMismatch(Conflict):
    """The same Idempotency-Key was used before with another request."""

    code = "idempotency_mismatch"


class QuotaExceeded(ServiceError):
    """The owner has reached a limit."""

    code = "quota_exceeded"


class Unauthorized(ServiceError):
    """The request has no bearer token, or an invalid one."""

    code = "unauthorized"


class SessionEnded(Unauthorized):
    """The session that a browser's cookie names has ended, or its token has."""

    code = "session_ended"


class TooManyAttempts(ServiceError):
    """An address has tried to sign in with wrong tokens too often."""

    code = "too_many_attempts"


class MissingScope(ServiceError):
    """The token is valid, but its scope does not allow the action."""

    code = "missing_scope"


class NotOwner(ServiceError):
    """The scope allows to change one's own things, and this one belongs to somebody else."""

    code = "not_owner"


class PriorityNotAllowed(ServiceError):
    """Priorities above the normal one are for admins."""

    code = "priority_not_allowed"


class ForeignCaller(ServiceError):
    """A browser on this machine sent a request for a page of another site."""

    code = "foreign_caller"


def escaped(step: str) -> str:
    """Return one step of a JSON pointer.

    Source:
        RFC 6901, section 3.
    """
    return step.replace("~", "~0").replace("/", "~1")
