"""Who one is, and who did what: the audit log, for admins only."""

from typing import Annotated

from fastapi import Depends, Query, Request, Response

from cellgate.contract.api.audit import AuditAnswer, AuditOutcome, WhoamiAnswer
from cellgate.contract.api.common import Page, Time
from cellgate.contract.api.tokens import Scope
from cellgate.contract.identifiers import PRINCIPAL_ID
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.parameters import MaxItems, Paging, seconds
from service.api.responses import documented
from service.api.scopes import ScopedRouter
from service.api.views import answer
from service.domain.principals import Principal
from service.store.audit import AuditFilters, list_audit
from service.store.paging import PageOf

router = ScopedRouter(prefix="/v1", tags=["tokens"])
AfterEntry = Annotated[str | None, Query(pattern=r"^\d{1,18}$", description="Cursor: `next` of the page before.")]
WORD = r"^[!-~]{1,200}$"


async def _paging(request: Request, response: Response, limit: MaxItems = 50, after: AfterEntry = None) -> Paging:
    return Paging(request, response, PageOf(limit=limit, after=after))


@router.get("/whoami", Scope.READ, responses=documented())
async def read_whoami(request: Request) -> WhoamiAnswer:
    """Return who the caller is and what its token allows."""
    principal: Principal = request.state.principal
    return answer(WhoamiAnswer, principal, principal_id=principal.id)


@router.get("/audit", Scope.ADMIN, **tagged())
def read_audit(
    context: Ctx,
    paging: Annotated[Paging, Depends(_paging)],
    principal: Annotated[str | None, Query(pattern=PRINCIPAL_ID, description="Who: the id of a principal.")] = None,
    object_id: Annotated[
        str | None, Query(alias="object", pattern=WORD, description="What it was done to: an id.")
    ] = None,
    action: Annotated[str | None, Query(pattern=WORD, description="Operation, as in this document.")] = None,
    outcome: AuditOutcome | None = None,
    since: Annotated[Time | None, Query(description="At this time or later; RFC 3339 with an offset.")] = None,
    before: Annotated[Time | None, Query(description="Before this time; RFC 3339 with an offset.")] = None,
) -> Page[AuditAnswer]:
    """List who did what, newest first. Changes that were refused for lack of rights are entries too."""
    wanted = AuditFilters(
        principal_id=principal,
        object_id=object_id,
        action=action,
        outcome=outcome,
        since_s=seconds(since),
        before_s=seconds(before),
    )
    page = paging.wanted
    after = None if page.after is None else int(page.after)
    with context.database.read() as session:
        rows = list_audit(session, wanted, after=after, limit=page.limit)
        return paging.page([answer(AuditAnswer, row) for row in rows], [str(row.id) for row in rows])
