"""What a monitor reads."""

from typing import Annotated

from fastapi import Header, Response
from fastapi.responses import PlainTextResponse

from cellgate.contract.api.tokens import Scope
from service.api.context import Ctx
from service.api.responses import documented
from service.api.scopes import ScopedRouter

router = ScopedRouter(tags=["operations"])


@router.get("/metrics", Scope.READ, response_class=PlainTextResponse, responses=documented())
def read_measures(context: Ctx, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """Return metrics for Prometheus: queue depths, waits, run times, failures, leases and request latencies.

    Figures of the whole deployment come from the database: they are the same whichever process answers, and a few
    seconds old at most. Latencies are those of the process that answers. See docs/operations.md.
    """
    page = context.telemetry.page(accept)
    return Response(page.content, media_type=page.media_type)
