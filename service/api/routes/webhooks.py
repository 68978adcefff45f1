"""Webhooks over HTTP: subscriptions and their deliveries; for admins only."""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Body, Path, Response
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.tokens import Scope
from cellgate.contract.api.webhooks import (
    CircuitState,
    DeliveryAnswer,
    NewWebhookAnswer,
    WebhookAnswer,
    WebhookCreate,
)
from cellgate.contract.identifiers import WEBHOOK_ID
from service.api.context import Ctx
from service.api.etags import tagged
from service.api.idempotency import Created, Posted
from service.api.parameters import Paged
from service.api.recording import Recorded
from service.api.responses import EVERY_POST, accepting, documented
from service.api.scopes import ScopedRouter, Whose
from service.api.views import answer
from service.dns import resolve
from service.domain.webhooks import check_url, probe_pause_s
from service.store.tables import WebhookRow
from service.store.webhooks import (
    create_webhook,
    delete_webhook,
    enqueue_test,
    get_webhook,
    list_deliveries,
    list_webhooks,
)

router = ScopedRouter(prefix="/v1/webhooks", tags=["webhooks"])
WebhookPath = Annotated[str, Path(alias="webhook_id", pattern=WEBHOOK_ID)]
EXAMPLES: dict[str, Example] = {
    "chat": Example(
        summary="Post decisions to a chat",
        value={"url": "https://example.org/hooks/cellgate", "events": ["decision.taken", "experiment.failed"]},
    ),
}
CREATED = {
    "description": "Created",
    "headers": {"Location": {"description": "URL of the created or changed resource.", "schema": {"type": "string"}}},
}


@router.get("", Scope.ADMIN, **tagged())
def read_webhooks(context: Ctx) -> list[WebhookAnswer]:
    """List the webhooks, newest first."""
    with context.database.read() as session:
        return [answer(WebhookAnswer, row, circuit=_circuit(row)) for row in list_webhooks(session)]


@router.post(
    "",
    Scope.ADMIN,
    Whose.ANY,
    status_code=HTTPStatus.CREATED,
    responses={**documented(*EVERY_POST), int(HTTPStatus.CREATED): CREATED},
)
def add_webhook(
    wanted: Annotated[WebhookCreate, Body(openapi_examples=EXAMPLES)], change: Recorded, response: Response
) -> NewWebhookAnswer:
    """Subscribe to events. Only this answer shows the secret, so `Idempotency-Key` is not supported."""
    check_url(wanted.url)
    if not change.context.settings.webhook_allow_private:
        _refuse_private(wanted.url)
    with change.transaction() as session:
        events = list(dict.fromkeys(wanted.events))
        row = create_webhook(session, url=wanted.url, events=events, owner=change.principal.owner)
        # The host alone: the rest of a URL may be a secret.
        change.record(session, made=row.id, host=urlsplit(row.url).hostname, events=row.events)
    response.headers["Location"] = f"/v1/webhooks/{row.id}"
    response.headers["Cache-Control"] = "no-store"
    return answer(NewWebhookAnswer, row, circuit=_circuit(row))


def _circuit(row: WebhookRow) -> CircuitState:
    return CircuitState.CLOSED if probe_pause_s(row.failures) is None else CircuitState.OPEN


def _refuse_private(url: str) -> None:
    # A host name without an address now may get one: each delivery resolves it again.
    with suppress(OSError):
        resolve(urlsplit(url).hostname or "", None, allow_private=False)


@router.get("/{webhook_id}", Scope.ADMIN, responses=documented(HTTPStatus.NOT_FOUND))
def read_webhook(webhook_id: WebhookPath, context: Ctx) -> WebhookAnswer:
    """Return a webhook."""
    with context.database.read() as session:
        row = get_webhook(session, webhook_id)
    return answer(WebhookAnswer, row, circuit=_circuit(row))


@router.delete(
    "/{webhook_id}",
    Scope.ADMIN,
    Whose.ANY,
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(HTTPStatus.NOT_FOUND),
)
def remove_webhook(webhook_id: WebhookPath, change: Recorded) -> None:
    """Delete a webhook. Pending deliveries are dropped."""
    with change.transaction() as session:
        delete_webhook(session, webhook_id)
        change.record(session)


@router.post(
    "/{webhook_id}/test",
    Scope.ADMIN,
    Whose.ANY,
    **accepting(DeliveryAnswer, HTTPStatus.NOT_FOUND),
)
def try_webhook(webhook_id: WebhookPath, post: Posted) -> JSONResponse:
    """Send a test event, `webhook.test`, to a webhook."""

    def work(session: Session) -> Created:
        delivery = enqueue_test(session, webhook_id)
        return Created(location=f"/v1/webhooks/{webhook_id}/deliveries", answer=answer(DeliveryAnswer, delivery))

    return post.accept(work)


@router.get("/{webhook_id}/deliveries", Scope.ADMIN, **tagged(HTTPStatus.NOT_FOUND))
def read_deliveries(webhook_id: WebhookPath, context: Ctx, paging: Paged) -> Page[DeliveryAnswer]:
    """List a webhook's deliveries, newest first. Finished deliveries are kept for a week."""
    with context.database.read() as session:
        rows = list_deliveries(session, webhook_id, paging.wanted)
        return paging.page([answer(DeliveryAnswer, row) for row in rows], [row.id for row in rows])
