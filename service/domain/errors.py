"""Everything the service can refuse.

ServiceError
├── NotFound                no such thing
├── InvalidSpec             what was sent cannot be done; every mistake is listed
│   └── InvalidRequest      it is not what the OpenAPI document asks for
├── Conflict                it cannot be done in this state
│   ├── GateNotPassed       fusion before the gate has passed; carries the gate report
│   └── IdempotencyMismatch an Idempotency-Key came back with another body
├── QuotaExceeded           the caller has as much as it may have
├── Unauthorized            no token, or not this one
├── MissingScope            the token is not good for this
└── ForeignCaller           a page of another site asks a service that needs no token
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake in a request.

    Args:
        pointer: RFC 6901 JSON pointer to it in the body (`/seeds/0`), or `#query/limit`, `#path/id`, `#header/name`.
        detail: What was found, what was expected, what to do.
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
    """There is no such thing, or none that this caller may see."""

    code = "not_found"


class InvalidSpec(ServiceError):
    """The request is well-formed JSON but asks for something that cannot be."""

    code = "invalid_spec"


class InvalidRequest(InvalidSpec):
    """The request is not what the OpenAPI document asks for."""

    code = "invalid_request"


class Conflict(ServiceError):
    """The thing is in a state in which this cannot be done."""

    code = "conflict"


class GateNotPassed(Conflict):
    """Fusion was asked for before the validation gate passed."""

    code = "gate_not_passed"


class IdempotencyMismatch(Conflict):
    """The same Idempotency-Key was used before with another request."""

    code = "idempotency_mismatch"


class QuotaExceeded(ServiceError):
    """The caller has as many waiting runs as it may have."""

    code = "quota_exceeded"


class Unauthorized(ServiceError):
    """A bearer token is needed, and none or a wrong one came."""

    code = "unauthorized"


class MissingScope(ServiceError):
    """The token is good, but not for this."""

    code = "missing_scope"


class ForeignCaller(ServiceError):
    """The browser of somebody on this machine was sent here by a page that is not ours."""

    code = "foreign_caller"


def escaped(step: str) -> str:
    """Return one step of a JSON pointer.

    Source:
        RFC 6901, section 3.
    """
    return step.replace("~", "~0").replace("/", "~1")
