"""The overview: what needs a person, what runs, and what came out last."""

from cellgate.contract.api.overview import OverviewAnswer
from cellgate.contract.api.tokens import Scope
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.overview import overview_answer
from service.api.scopes import ScopedRouter
from service.store.overview import load_overview

router = ScopedRouter(tags=["experiments"])


@router.get("/v1/overview", Scope.READ, **tagged(waits=True))
def read_overview(context: Ctx) -> OverviewAnswer:
    """Return what needs a person, what runs and what came out last: the first page of a dashboard."""
    with context.database.read() as session:
        return overview_answer(load_overview(session, max_running=context.settings.max_running_runs))
