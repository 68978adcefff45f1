"""What an operator asks: how full the queues are, and what was used by whom."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from cellgate.contract.api.schemas import Answer, Time
from service.api.context import Ctx
from service.api.parameters import Limit
from service.api.problems import documented
from service.domain.errors import InvalidSpec, Mistake
from service.store.queue_loads import QueueLoad, queue_loads
from service.store.usage import Usage, UsageBy, usage_of

router = APIRouter(prefix="/v1", tags=["operations"])
SINCE_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
From = Annotated[
    Time,
    Query(alias="from", description="Begin of the period, RFC 3339 with an offset; default: from the first run on."),
]
To = Annotated[Time | None, Query(alias="to", description="End of the period; default: now.")]
By = Annotated[UsageBy, Query(description="What to sum by.")]


class QueueAnswer(Answer):
    """A queue: what waits in it, and who is there to work it off."""

    name: str
    queued: int = Field(description="Runs that wait for a worker.")
    running: int = Field(description="Runs that a worker holds, those about to pause or to be cancelled included.")
    paused: int = Field(description="Runs that wait to be resumed.")
    oldest_wait_s: float | None = Field(description="How long the run has waited that was queued the longest ago.")
    workers: int = Field(description="Workers that serve it and are alive.")
    slots: int = Field(description="Runs that these can have at work at once, for all queues they serve.")
    free_slots: int = Field(description="Slots that can take a run now.")


class UsageGroup(Answer):
    """What one group of runs has used within the period."""

    slot_seconds: float = Field(
        description="How long their attempts have held a slot of a worker, those still at work included: seconds of a "
        "GPU on workers that lend one to each run, of the CPU's share elsewhere. Summed by queue it tells them apart."
    )
    runs: int = Field(description="Runs with an attempt within the period.")
    failed_share: float | None = Field(description="Share of the ended ones that failed; null while none has ended.")


class KeyedUsage(UsageGroup):
    """What one experiment, owner, cell or queue has used."""

    key: str | None = Field(description="Null: runs without an experiment, or without an owner.")


class UsageAnswer(Answer):
    """What was used within a period."""

    since: AwareDatetime
    before: AwareDatetime
    by: UsageBy
    total: UsageGroup = Field(description="Over all groups, also those beyond `limit`.")
    groups: list[KeyedUsage] = Field(description="Those that used the most come first.")


@router.get("/queues", responses=documented())
def read_queues(context: Ctx) -> list[QueueAnswer]:
    """List the queues that have unfinished runs or a living worker: how full they are, and who serves them."""
    with context.database.read() as session:
        return [_queue(load) for load in queue_loads(session)]


@router.get("/usage", responses=documented())
def read_usage(
    context: Ctx, since: From = SINCE_ALWAYS, before: To = None, by: By = UsageBy.EXPERIMENT, limit: Limit = 100
) -> UsageAnswer:
    """Return how long runs have held slots within a period, by experiment, owner, cell or queue."""
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
        groups=[KeyedUsage(key=group.key, **_used(group).model_dump()) for group in groups],
    )


def _queue(load: QueueLoad) -> QueueAnswer:
    return QueueAnswer(
        name=load.queue,
        queued=load.queued,
        running=load.running,
        paused=load.paused,
        oldest_wait_s=load.oldest_wait_s,
        workers=load.workers,
        slots=load.slots,
        free_slots=load.free_slots,
    )


def _used(usage: Usage) -> UsageGroup:
    failed_share = usage.failed / usage.ended if usage.ended else None
    return UsageGroup(slot_seconds=usage.slot_seconds, runs=usage.runs, failed_share=failed_share)
