"""The outbox worked off: deliveries that are due are claimed for a while, and what came of each is kept."""

from dataclasses import dataclass
from random import uniform

from sqlalchemy import delete, null, select, update
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import DeliveryState
from service.domain.webhooks import next_wait_s
from service.store.database import now_s
from service.store.tables import DeliveryRow, WebhookRow

# Who has claimed a delivery and is not heard of for so long has not delivered it.
CLAIM_S = 60.0
KEPT_S = 7 * 86_400.0
GONE = 410


@dataclass(frozen=True, kw_only=True)
class Due:
    """A delivery that its claimer is to try.

    Args:
        tries: This one included; who reports on it must name it.
    """

    delivery_id: str
    webhook_id: str
    url: str
    secret: str
    body: str
    tries: int


def claim_due(session: Session, *, limit: int) -> list[Due]:
    """Claim deliveries that are due, the longest due first; nobody else tries them for `CLAIM_S`."""
    chosen = (
        select(DeliveryRow, WebhookRow)
        .join(WebhookRow, DeliveryRow.webhook_id == WebhookRow.id)
        .where(DeliveryRow.state == DeliveryState.PENDING, DeliveryRow.next_at <= now_s(), WebhookRow.active)
        .order_by(DeliveryRow.next_at)
        .limit(limit)
        .with_for_update(of=DeliveryRow, skip_locked=True)
    )
    due = [_due(delivery, webhook) for delivery, webhook in session.execute(chosen)]
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_([one.delivery_id for one in due]))
        .values(tries=DeliveryRow.tries + 1, next_at=now_s() + CLAIM_S)
        .execution_options(synchronize_session=False)
    )
    return due


def _due(delivery: DeliveryRow, webhook: WebhookRow) -> Due:
    return Due(
        delivery_id=delivery.id,
        webhook_id=webhook.id,
        url=webhook.url,
        secret=webhook.secret,
        body=delivery.body,
        tries=delivery.tries + 1,
    )


def record_try(session: Session, due: Due, *, status: int | None, error: str | None) -> None:
    """Keep what came of a try; nothing happens where another has tried since.

    A webhook that answers 410 (Gone) wants to be told nothing more, and is not.

    Args:
        status: Of the answer, if there was one.
        error: Why there was none, or not the right one.
    """
    if error is None:
        _set(session, due, state=DeliveryState.DELIVERED.value, next_at=null(), last_status=status, last_error=null())
        return
    wait_s = None if status == GONE else next_wait_s(due.tries)
    said = {"last_status": null() if status is None else status, "last_error": error}
    if wait_s is None:
        _set(session, due, state=DeliveryState.FAILED.value, next_at=null(), **said)
    else:
        # Those that failed together are not all tried again together.
        _set(session, due, next_at=now_s() + wait_s * uniform(0.8, 1.2), **said)
    if status == GONE:
        session.execute(update(WebhookRow).where(WebhookRow.id == due.webhook_id).values(active=False))


def _set(session: Session, due: Due, **values: object) -> None:
    session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.id == due.delivery_id,
            DeliveryRow.tries == due.tries,
            DeliveryRow.state == DeliveryState.PENDING,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def delete_old_deliveries(session: Session) -> None:
    """Delete what came to its end more than `KEPT_S` ago, and what nobody is there to be told."""
    ended = (DeliveryRow.state != DeliveryState.PENDING.value) & (DeliveryRow.created_at < now_s() - KEPT_S)
    orphaned = DeliveryRow.webhook_id.not_in(select(WebhookRow.id))
    session.execute(delete(DeliveryRow).where(ended | orphaned).execution_options(synchronize_session=False))
