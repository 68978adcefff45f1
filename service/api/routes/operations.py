"""What an operator or a monitor reads: queue depths, usage, Prometheus metrics."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Body, Header, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Time
from cellgate.contract.api.operations import (
    KeyedUsage,
    PruneAnswer,
    PruneCreate,
    QueueAnswer,
    StorageAnswer,
    StoragePart,
    UsageAnswer,
    UsageBy,
    UsageGroup,
)
from cellgate.contract.api.resources import ResourceName
from cellgate.contract.api.tokens import Scope
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.examples import PRUNING
from service.api.idempotency import Created, Posted
from service.api.parameters import MaxItems
from service.api.responses import accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.views import answer
from service.domain.errors import InvalidSpec, Mistake
from service.store.artifact_store import LocalStore
from service.store.database import now_s
from service.store.deletion import audited, counts_of, names_of
from service.store.pruning import Pruning, plan_pruning, prune
from service.store.queue import queue_loads
from service.store.storage import Measured, measured
from service.store.usage import Usage, usage_of

router = ScopedRouter(tags=["operations"])
DAY_S = 86_400.0
SINCE_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
From = Annotated[
    Time,
    Query(alias="from", description="Start of the period, RFC 3339 with an offset; default: the first run."),
]
To = Annotated[Time | None, Query(alias="to", description="End of the period; default: now.")]
By = Annotated[UsageBy, Query(description="Grouping of the sums.")]


@router.get("/v1/queues", Scope.READ, **tagged())
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
        stored = measured(session)
        total, groups = usage_of(session, by=by, since_s=since.timestamp(), before_s=end.timestamp(), limit=limit)
    return UsageAnswer(
        since=since,
        before=end,
        by=by,
        total=_used(total),
        groups=[KeyedUsage(key=group.key, owner_id=group.owner_id, **_used(group).model_dump()) for group in groups],
        storage=_storage(stored),
    )


def _storage(found: Sequence[Measured]) -> StorageAnswer:
    return StorageAnswer(
        measured_at=datetime.fromtimestamp(found[0].measured_at, UTC) if found else None,
        size_bytes=sum(part.size_bytes for part in found),
        parts=[answer(StoragePart, part, owner=part.owner.name, owner_id=part.owner.id) for part in found],
    )


@router.post("/v1/prune", Scope.ADMIN, Whose.ANY, **accepting(PruneAnswer), name="prune")
def prune_things(wanted: Annotated[PruneCreate, Body(openapi_examples=PRUNING)], post: Posted) -> JSONResponse:
    """Delete a part of what is old and what nothing depends on; repeat it while the answer says `more`.

    These go: ended experiments, jobs on their own, runs that were replaced, data sets with nothing on them, uploads and
    checkpoints. Bundles stay, and with them what they were packed of.
    """
    if (answered := post.answered()) is not None:
        return answered
    context = post.context
    before_s = _time_before(context, wanted.older_than_days)
    store = LocalStore(context.settings.data_dir)

    def plan(session: Session) -> Pruning:
        data_dir = context.settings.data_dir
        return plan_pruning(session, before_s=before_s, keep_decisions=wanted.keep_decisions, data_dir=data_dir)

    def pruned(session: Session, planned: Pruning, *, size_bytes: int | None) -> Created:
        scope = planned.deletion.scope
        answer = PruneAnswer(
            dry_run=wanted.dry_run,
            counts=counts_of(scope),
            things=[ResourceName(kind=of, id=found, name=name) for of, found, name in names_of(session, scope)],
            size_bytes=size_bytes,
            checkpoints=len(planned.attempts),
            more=planned.more,
        )
        return Created(location="/v1/usage", answer=answer, detail=audited(scope))

    def carry_out(session: Session) -> Created:
        planned = plan(session)
        done = pruned(session, planned, size_bytes=None)
        prune(session, planned)
        return done

    if not wanted.dry_run:
        return post.accept(carry_out, older_than_days=wanted.older_than_days)
    # The files are looked at outside of a transaction that may write.
    with context.database.read() as session:
        planned = plan(session)
    size = sum(store.size(key) for key in planned.keys)
    return post.accept(lambda session: pruned(session, planned, size_bytes=size), changes=False)


def _time_before(context: Context, days: float) -> float:
    with context.database.read() as session:
        return session.scalars(now_s().select()).one() - days * DAY_S


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
