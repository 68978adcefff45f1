"""The check of a request's rights, before its route is called: the scope, and whose thing it changes."""

from starlette.concurrency import run_in_threadpool

from cellgate.contract.api.tokens import Scope
from service.api.route_table import Needed
from service.api.scopes import Whose
from service.domain.errors import MissingScope, NotFound
from service.domain.principals import Principal
from service.domain.rights import check_may_change
from service.store.database import Database
from service.store.principals import kind_of, owner_id_of


async def check_rights(principal: Principal, needed: Needed, database: Database) -> None:
    """Check that the principal may send a request.

    Args:
        principal: Its sender.
        needed: What its route needs.
        database: Knows the owner of each thing.

    Raises:
        MissingScope: The token's scope is too small.
        NotOwner: It would change a thing of somebody else.
        sqlalchemy.exc.OperationalError: The database cannot be reached.
    """
    if needed.scope is not None and not principal.scope.includes(needed.scope):
        raise MissingScope(
            f"this needs a token with the scope {needed.scope}, and {principal.name!r} has {principal.scope}",
            extra={"scope": needed.scope},
        )
    # Admins may change whatever there is: nothing is looked up for them.
    if needed.whose is Whose.OWN and needed.row_id is not None and principal.scope is not Scope.ADMIN:
        await run_in_threadpool(_check_owner, principal, needed.row_id, database)


def _check_owner(principal: Principal, row_id: str, database: Database) -> None:
    try:
        with database.read() as session:
            owner_id = owner_id_of(session, row_id)
    except NotFound:
        # An owner never changes; a thing that is not there is the route's to report.
        return
    check_may_change(principal, owner_id, f"{kind_of(row_id)} {row_id}")
