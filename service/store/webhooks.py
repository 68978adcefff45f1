"""Webhook subscriptions and their outbox. A delivery row is inserted in the transaction that causes the event."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import DeliveryState, WebhookEvent
from service.domain.errors import Conflict, QuotaExceeded
from service.domain.principals import NOBODY, Owner
from service.domain.webhooks import MOST_WEBHOOKS, OPEN_AFTER, new_signing_secret
from service.store.database import now_s
from service.store.lookup import get_row, new_id
from service.store.paging import FIRST_PAGE, PageOf
from service.store.tables import DeliveryRow, WebhookRow
from service.store.uptime import uptime_s


def create_webhook(session: Session, *, url: str, events: Sequence[WebhookEvent], owner: Owner = NOBODY) -> WebhookRow:
    """Create a webhook with a signing secret of its own.

    Args:
        session: An open transaction.
        url: Where deliveries are sent.
        events: The events to subscribe to.
        owner: Whom it belongs to.

    Raises:
        QuotaExceeded: There are MOST_WEBHOOKS already.
    """
    count = session.scalar(select(func.count()).select_from(WebhookRow)) or 0
    if count >= MOST_WEBHOOKS:
        detail = f"quota exceeded: found {count} webhooks, limit {MOST_WEBHOOKS}; delete one first"
        raise QuotaExceeded(detail, extra={"limit": MOST_WEBHOOKS})
    values = {
        "id": new_id("wh"),
        "url": url,
        "events": [event.value for event in events],
        "secret": new_signing_secret(),
        "active": True,
        "owner": owner.name,
        "owner_id": owner.id,
        "created_at": now_s(),
    }
    return session.scalars(insert(WebhookRow).values(values).returning(WebhookRow)).one()


def list_webhooks(session: Session) -> Sequence[WebhookRow]:
    """Return all webhooks, newest first."""
    return session.scalars(select(WebhookRow).order_by(WebhookRow.id.desc())).all()


def get_webhook(session: Session, webhook_id: str) -> WebhookRow:
    """Return a webhook.

    Raises:
        NotFound: There is no such webhook.
    """
    return get_row(session, WebhookRow, webhook_id)


def delete_webhook(session: Session, webhook_id: str) -> None:
    """Delete a webhook; nothing more is sent to it, and housekeeping deletes its deliveries, however many there are.

    Raises:
        NotFound: There is no such webhook.
    """
    get_webhook(session, webhook_id)
    session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))


def list_deliveries(session: Session, webhook_id: str, page: PageOf = FIRST_PAGE) -> Sequence[DeliveryRow]:
    """Return a page of a webhook's deliveries, newest first.

    Args:
        session: An open transaction.
        webhook_id: The webhook.
        page: Size of the page, and the id after which it begins.

    Raises:
        NotFound: There is no such webhook.
    """
    get_webhook(session, webhook_id)
    chosen = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
    if page.after is not None:
        chosen = chosen.where(DeliveryRow.id < page.after)
    return session.scalars(chosen.order_by(DeliveryRow.id.desc()).limit(page.limit)).all()


def enqueue_event(session: Session, event: WebhookEvent, data: Mapping[str, Any]) -> None:
    """Insert a delivery for every webhook that subscribes to the event; it is sent once the transaction commits.

    Args:
        session: The transaction that causes the event.
        event: What happened.
        data: Ids and states as JSON values; nothing that a stranger must not see.
    """
    active = session.scalars(select(WebhookRow).where(WebhookRow.active)).all()
    for webhook in active:
        if event.value in webhook.events:
            _enqueue(session, webhook.id, event, data)


def enqueue_test(session: Session, webhook_id: str) -> DeliveryRow:
    """Insert a test delivery for one webhook, even if it subscribes to other events only, and return it.

    Raises:
        NotFound: There is no such webhook.
        Conflict: It has answered 410, which ends its deliveries.
    """
    if not get_webhook(session, webhook_id).active:
        raise Conflict(
            f"webhook {webhook_id} has answered 410 and gets no more deliveries: delete it and make a new one"
        )
    return _enqueue(session, webhook_id, WebhookEvent.TEST, {"webhook": webhook_id})


def _enqueue(session: Session, webhook_id: str, event: WebhookEvent, data: Mapping[str, Any]) -> DeliveryRow:
    at = float(session.scalars(select(now_s())).one())
    body = json.dumps({"type": event.value, "timestamp": at, "data": dict(data)}, ensure_ascii=False)
    values = {
        "id": new_id("dlv"),
        "webhook_id": webhook_id,
        "event": event.value,
        "body": body,
        "state": DeliveryState.PENDING.value,
        "tries": 0,
        "next_at": at,
        "created_at": at,
        "created_uptime_s": uptime_s(),
    }
    return session.scalars(insert(DeliveryRow).values(values).returning(DeliveryRow)).one()


def open_circuits(session: Session) -> int:
    """Return how many webhooks fail and are only probed."""
    failing = select(func.count()).where(WebhookRow.active, WebhookRow.failures >= OPEN_AFTER)
    return session.scalars(failing).one()
