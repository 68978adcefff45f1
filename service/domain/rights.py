"""Who may change what: one's own things with the scope `submit`, everything with `admin`. Reading is for all."""

from cellgate.contract.api.tokens import Scope
from service.domain.errors import Mistake, NotOwner, PriorityNotAllowed
from service.domain.principals import Principal

NORMAL_PRIORITY = 0


def may_change(principal: Principal, owner_id: str | None) -> bool:
    """Return whether the principal may change a thing of this owner; None: nobody's, which is for admins."""
    return principal.scope is Scope.ADMIN or (owner_id is not None and owner_id == principal.id)


def check_may_change(principal: Principal, owner_id: str | None, what: str) -> None:
    """Check that the principal may change a thing.

    Args:
        principal: Who wants to.
        owner_id: Principal id of the thing's owner; None: nobody's.
        what: Kind and id of the thing, e.g. `run run_…`.

    Raises:
        NotOwner: It belongs to somebody else, and the principal is no admin.
    """
    if may_change(principal, owner_id):
        return
    whose = "has no owner" if owner_id is None else f"belongs to {owner_id}"
    raise NotOwner(
        f"{what} {whose}, and {principal.name!r} ({principal.id}) with the scope {principal.scope} may change its own "
        "things only: ask its owner, or somebody with the scope admin",
        extra={"owner_id": owner_id},
    )


def check_priority(principal: Principal, priority: int, *, normal: int = NORMAL_PRIORITY) -> None:
    """Check that the principal may queue runs with this priority: above the normal one is for admins.

    Args:
        principal: Who wants to.
        priority: Of the runs.
        normal: The priority of such runs that is not asked for.

    Raises:
        PriorityNotAllowed: It may not.
    """
    if priority <= normal or principal.scope is Scope.ADMIN:
        return
    detail = f"found priority {priority}: above {normal} needs the scope admin; leave it out, or ask an admin"
    raise PriorityNotAllowed(detail, mistakes=[Mistake(pointer="/priority", detail=detail)])
