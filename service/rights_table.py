"""The table *route x scope x owner* of docs/reference/rights.md, from what each route declares."""

from collections.abc import Iterator
from dataclasses import dataclass

from cellgate.contract.api.tokens import Scope
from service.api.scopes import Whose
from service.app import RESOURCES

CALLERS = ("no token", "read", "submit, own", "submit, others'", "admin")
YES, UNAUTHORIZED, MISSING_SCOPE, NOT_OWNER = "yes", "401", "403 `missing_scope`", "403 `not_owner`"


@dataclass(frozen=True, kw_only=True)
class RouteRights:
    """What one route answers to each kind of caller.

    Args:
        method: Of the request.
        path: With the names of its parameters.
        operation: Its name, which the audit log has too.
        whose: Whose things it changes; None: it only reads.
        cells: One of the answers above for each of `CALLERS`: a service that needs a token, and a valid request.
    """

    method: str
    path: str
    operation: str
    whose: Whose | None
    cells: tuple[str, ...]


def rights_of(scope: Scope | None, whose: Whose) -> tuple[str, ...]:
    """Return what a route that declares this answers to each of `CALLERS`."""
    if scope is None:
        return (YES,) * len(CALLERS)
    held = (Scope.READ, Scope.SUBMIT, Scope.SUBMIT, Scope.ADMIN)
    read, own, others, admin = (YES if one.includes(scope) else MISSING_SCOPE for one in held)
    if others == YES and whose in (Whose.OWN, Whose.NEW_OR_OWN_STEP):
        others = NOT_OWNER
    return (UNAUTHORIZED, read, own, others, admin)


def all_rights() -> Iterator[RouteRights]:
    """Yield the rights of each route of the API, in the order of the OpenAPI document."""
    for resource in RESOURCES:
        router = resource.router
        for route in router.routes:
            for method in sorted(route.methods):
                whose = router.whose[route.name]
                yield RouteRights(
                    method=method,
                    path=route.path,
                    operation=route.name,
                    whose=None if method in ("GET", "HEAD") else whose,
                    cells=rights_of(router.scopes[route.name], whose),
                )


def markdown() -> str:
    """Return the table as docs/reference/rights.md has it."""
    rows = [("route", "operation", "changes", *CALLERS), ("---",) * (3 + len(CALLERS))]
    rows += [
        (f"`{one.method} {one.path}`", f"`{one.operation}`", "" if one.whose is None else one.whose.value, *one.cells)
        for one in all_rights()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
