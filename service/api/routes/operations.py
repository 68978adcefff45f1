"""What an operator or a monitor reads: queue depths, usage, Prometheus metrics."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header, Query, Response
from fastapi.responses import PlainTextResponse

from cellgate.contract.api.common import Time
from cellgate.contract.api.operations import KeyedUsage, QueueAnswer, UsageAnswer, UsageBy, UsageGroup
from cellgate.contract.api.tokens import Scope
from service.api.context import Ctx
from service.api.parameters import MaxItems
from service.api.responses import documented
from service.api.scopes import ScopedRouter
from service.api.views import answer
from service.domain.errors import InvalidSpec, Mistake
from service.store.queue import queue_loads
from service.store.usage import Usage, usage_of

router = ScopedRouter(tags=["operations"])
SINCE_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
From = Annotated[
    Time,
    Query(alias="from", description="Start of the period, RFC 3339 with an offset; default: the first run."),
]
To = Annotated[Time | None, Query(alias="to", description="End of the period; default: now.")]
By = Annotated[UsageBy, Query(description="Grouping of the sums.")]


@router.get("/v1/queues", Scope.READ, responses=documented())
def read_queues(context: Ctx) -> list[QueueAnswer]:
    """List the queues with unfinished runs or a living worker: their depth, workers and slots."""
    with context.database.read() as session:
        return [answer(QueueAnswer, load, name=load.queue) for load in queue_loads(session)]


@router.get("/v1/usage", Scope.READ, responses=documented())
def read_usage(
    context: Ctx, since: From = SINCE_ALWAYS, before: To = None, by: By = UsageBy.EXPERIMENT, limit: MaxItems = 100
) -> UsageAnswer:
    """Return the slot time that runs used within a period, by experiment, owner, cell or queue."""
    end = before or datetime.now(UTC)
    if since >= end:
        detail = f"found {since.isoformat()}, expected a time before the period's end, {end.isoformat()}"
        raise InvalidSpec("the period has no length", mistakes=[Mistake(pointer="#query/from", detail=detail)])
    with context.database.read() as session:
        total, groups = usage_of(session, by=by, since_s=since.timestamp(), before_s=end.timestamp(), limit=limit)
    return UsageAnswer(
        since=since,
        before=end,
        by=by,
        total=_used(total),
        groups=[KeyedUsage(key=group.key, owner_id=group.owner_id, **_used(group).model_dump()) for group in groups],
    )


def _used(usage: Usage) -> UsageGroup:
    failed_share = usage.failed / usage.ended if usage.ended else None
    return UsageGroup(slot_seconds=usage.slot_seconds, runs=usage.runs, failed_share=failed_share)


@router.get("/metrics", Scope.READ, response_class=PlainTextResponse, responses=documented())
def read_measures(context: Ctx, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """Return metrics for Prometheus: queue depths, waits, run times, failures, leases and request latencies.

    Figures of the whole deployment come from the database: they are the same whichever process answers, and a few
    seconds old at most. Latencies are those of the process that answers. See docs/operations.md.
    """
    page = context.telemetry.page(accept)
    return Response(page.content, media_type=page.media_type)
