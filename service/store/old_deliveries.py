"""The outbox as housekeeping sees it: what is given up, and what is deleted."""

from collections.abc import Sequence

from sqlalchemy import CTE, func, literal, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import DeliveryState
from service.domain.webhooks import GIVE_UP_AFTER_S
from service.store.batches import PACE, Pace, delete_in_batches, in_batches, time_ago_s
from service.store.database import Database
from service.store.tables import DeliveryRow, WebhookRow
from service.store.uptime import uptime_s


def give_up_old_deliveries(database: Database, *, pace: Pace = PACE) -> int:
    """Fail the deliveries that have waited for longer than `GIVE_UP_AFTER_S` of uptime, and return how many."""
    hours = GIVE_UP_AFTER_S / 3600
    why = literal(f"given up after {hours:g} h in the outbox; the last error was: ")
    old = (DeliveryRow.state == DeliveryState.PENDING, DeliveryRow.created_uptime_s < uptime_s() - GIVE_UP_AFTER_S)

    def give_up(session: Session, ids: Sequence[str]) -> None:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(ids), *old)
            .values(
                state=DeliveryState.FAILED.value,
                next_at=null(),
                last_error=why.concat(func.coalesce(DeliveryRow.last_error, "none, it was not tried")),
            )
            .execution_options(synchronize_session=False)
        )

    return in_batches(database, select(DeliveryRow.id).where(*old), give_up, pace=pace)


def delete_ended_deliveries(database: Database, *, keep_s: float, pace: Pace = PACE) -> int:
    """Delete ended deliveries of events more than `keep_s` seconds ago, and return how many were found."""
    old = DeliveryRow.created_at < time_ago_s(database, keep_s)
    ended = DeliveryRow.state != DeliveryState.PENDING.value
    return delete_in_batches(database, DeliveryRow.id, old, ended, pace=pace)


def delete_orphaned_deliveries(database: Database, *, pace: Pace = PACE) -> int:
    """Delete deliveries of deleted webhooks, and return how many were found."""
    told = _webhooks_in_the_outbox()
    deleted = select(told.c.id).where(told.c.id.is_not(None), told.c.id.not_in(select(WebhookRow.id)))
    return delete_in_batches(database, DeliveryRow.id, DeliveryRow.webhook_id.in_(deleted), pace=pace)


def _webhooks_in_the_outbox() -> CTE:
    """Return the webhooks that have deliveries: one step in the index for each, however many deliveries it has.

    Source:
        PostgreSQL wiki, Loose indexscan.
    """
    told = select(func.min(DeliveryRow.webhook_id).label("id")).cte("told", recursive=True)
    following = select(func.min(DeliveryRow.webhook_id)).where(DeliveryRow.webhook_id > told.c.id).scalar_subquery()
    return told.union_all(select(following).where(told.c.id.is_not(None)))
