"""Who sends a request and what it is about, as the audit log has it."""

from typing import Any

from fastapi import Request

from service.api.route_table import Needed
from service.domain.principals import Principal
from service.store.audit import Actor, Entry

OBJECT_CHARACTERS = 200
ADDRESS_CHARACTERS = 80


def address_of(request: Request) -> str | None:
    """Return where a request came from."""
    return None if request.client is None else request.client.host[:ADDRESS_CHARACTERS]


def actor_of(request: Request) -> Actor:
    """Return who sent a request, which was let in."""
    principal: Principal = request.state.principal
    return Actor(principal=principal, address=address_of(request))


def entry_of(request: Request, **more: Any) -> Entry:
    """Return the entry of a request about the thing that its path names.

    Args:
        more: Further fields of the entry.
    """
    needed: Needed = request.state.needed
    about: dict[str, Any] = {}
    if needed.named is not None:
        parameter, value = needed.named
        kind = parameter.removesuffix("_id")
        # What a path holds was perhaps not checked yet, and PostgreSQL stores no NUL.
        about = {"kind": kind, "object_id": value.replace("\x00", "\ufffd")[:OBJECT_CHARACTERS]}
    return Entry(action=needed.operation, **about, **more)
