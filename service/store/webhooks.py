"""Webhooks: who is told of what. What is told is written in the transaction in which it happens."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from cellgate.contract.api.webhooks import DeliveryState, WebhookEvent
from service.domain.errors import Conflict, QuotaExceeded
from service.domain.webhooks import MOST_WEBHOOKS, new_signing_secret
from service.store.database import now_s
from service.store.filters import FIRST_PAGE, PageOf
from service.store.identifiers import new_id
from service.store.lookup import get_row
from service.store.tables import DeliveryRow, WebhookRow


def create_webhook(session: Session, *, url: str, events: Sequence[WebhookEvent]) -> WebhookRow:
    """Create a webhook with a secret of its own.

    Raises:
        QuotaExceeded: There are as many as there may be.
    """
    there_are = session.scalar(select(func.count()).select_from(WebhookRow)) or 0
    if there_are >= MOST_WEBHOOKS:
        detail = f"there are {there_are} webhooks, as many as there may be: delete one"
        raise QuotaExceeded(detail, extra={"limit": MOST_WEBHOOKS})
    values = {
        "id": new_id("wh"),
        "url": url,
        "events": [event.value for event in events],
        "secret": new_signing_secret(),
        "active": True,
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
    """Delete a webhook and everything that it was or would have been told.

    Raises:
        NotFound: There is no such webhook.
    """
    get_webhook(session, webhook_id)
    session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
    session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))


def list_deliveries(session: Session, webhook_id: str, page: PageOf = FIRST_PAGE) -> Sequence[DeliveryRow]:
    """Return a page of what a webhook was told or is to be told, newest first.

    Raises:
        NotFound: There is no such webhook.
    """
    get_webhook(session, webhook_id)
    chosen = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
    if page.after is not None:
        chosen = chosen.where(DeliveryRow.id < page.after)
    return session.scalars(chosen.order_by(DeliveryRow.id.desc()).limit(page.limit)).all()


def enqueue_event(session: Session, event: WebhookEvent, data: Mapping[str, Any]) -> None:
    """Let every webhook that wants to know of this event be told, once the transaction is committed.

    Args:
        data: Ids and states as JSON values; nothing that a stranger might not see.
    """
    active = session.scalars(select(WebhookRow).where(WebhookRow.active)).all()
    for webhook in active:
        if event.value in webhook.events:
            _enqueue(session, webhook.id, event, data)


def enqueue_test(session: Session, webhook_id: str) -> DeliveryRow:
    """Let one webhook be told that this is a test, whatever it wants to know, and return the delivery.

    Raises:
        NotFound: There is no such webhook.
        Conflict: It has answered 410, and is told nothing more.
    """
    if not get_webhook(session, webhook_id).active:
        raise Conflict(f"webhook {webhook_id} has answered 410 and is told nothing more: delete it, and make a new one")
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
    }
    return session.scalars(insert(DeliveryRow).values(values).returning(DeliveryRow)).one()
