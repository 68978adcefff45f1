"""Tells webhooks what the outbox holds: at least once each, signed, never where it may not go."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.dns import resolve
from service.domain.errors import InvalidSpec
from service.domain.webhooks import signature
from service.settings import Settings
from service.store.database import Database
from service.store.deliveries import Due, claim_due, forget_old_deliveries, record_try

LOOK_EVERY_S = 1.0
FORGET_EVERY_S = 3600.0
TIMEOUT_S = 10.0
AT_ONCE = 8
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """What came of one try.

    Args:
        error: Why it did not arrive; None: it did.
    """

    status: int | None
    error: str | None


class WebhookSender:
    """Works the outbox off, until told to stop; any number of them deliver each thing once while all is well."""

    def __init__(self, *, database: Database, settings: Settings, look_every_s: float = LOOK_EVERY_S) -> None:
        self._database = database
        self._allow_private = settings.webhook_allow_private
        self._look_every_s = look_every_s

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due every `look_every_s`; a slow receiver keeps nobody else waiting for long."""
        forget_at = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook-sender") as pool:
            while not stop.wait(self._look_every_s):
                try:
                    while self.deliver_due(pool) and not stop.is_set():
                        pass
                    if time.monotonic() >= forget_at:
                        forget_at = time.monotonic() + FORGET_EVERY_S
                        self._forget()
                except SQLAlchemyError as error:
                    log.warning("webhook_sender_waits_for_the_database", error=str(error))

    def deliver_due(self, pool: ThreadPoolExecutor) -> int:
        """Try a handful of deliveries that are due, at the same time, and return how many."""
        with self._database.begin() as session:
            due = claim_due(session, limit=AT_ONCE)
        list(pool.map(self._deliver, due))
        return len(due)

    def _deliver(self, due: Due) -> None:
        outcome = self._try(due)
        level = log.info if outcome.error is None else log.warning
        level("webhook_told", delivery=due.delivery_id, webhook=due.webhook_id, tries=due.tries, error=outcome.error)
        with self._database.begin() as session:
            record_try(session, due, status=outcome.status, error=outcome.error)

    def _try(self, due: Due) -> DeliveryResult:
        try:
            return send(due, allow_private=self._allow_private)
        except InvalidSpec as refusal:
            return DeliveryResult(status=None, error=refusal.detail)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return DeliveryResult(status=None, error=f"{type(error).__name__}: {error}"[:500])

    def _forget(self) -> None:
        with self._database.begin() as session:
            forget_old_deliveries(session)


def send(due: Due, *, allow_private: bool) -> DeliveryResult:
    """Send one delivery and return what came of it.

    The name is resolved once, and the very address that was checked is asked: a name that resolves to another one the
    next moment leads nowhere. Redirects are not followed.

    Raises:
        InvalidSpec: The address is not one that may be told.
        httpx.HTTPError: There was no answer.
        OSError: The name cannot be resolved.
    """
    parts = urlsplit(due.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = resolve(host, port, allow_private=allow_private)[0]
    url = httpx.URL(due.url).copy_with(host=address)
    headers = {"Host": parts.netloc, "Content-Type": "application/json", "User-Agent": "Cellgate"}
    timestamp = int(time.time())
    headers |= {
        "webhook-id": due.delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(due.secret, message_id=due.delivery_id, timestamp=timestamp, body=due.body),
    }
    with (
        httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client,
        client.stream(
            "POST", url, content=due.body.encode(), headers=headers, extensions={"sni_hostname": host}
        ) as answer,
    ):
        # What it says besides is of no interest, however long it is.
        status = answer.status_code
    return DeliveryResult(status=status, error=None if 200 <= status < 300 else f"it answered {status}")
