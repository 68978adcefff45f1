"""Send the outbox's deliveries to webhooks: signed, at least once, never to a forbidden address."""

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
from service.store.webhooks import Due, claim_due, delete_old_deliveries, record_try

LOOK_EVERY_S = 1.0
DELETE_EVERY_S = 3600.0
TIMEOUT_S = 10.0
AT_ONCE = 8
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """Outcome of one try.

    Args:
        status: HTTP status of the response; None without a response.
        error: Why the delivery failed; None if it arrived.
    """

    status: int | None
    error: str | None


class WebhookSender:
    """Sends deliveries that are due; several senders at once deliver each one once while none of them fails."""

    def __init__(self, *, database: Database, settings: Settings, look_every_s: float = LOOK_EVERY_S) -> None:
        self._database = database
        self._keep_s = settings.keep_deliveries_days * 86_400.0
        self._allow_private = settings.webhook_allow_private
        self._look_every_s = look_every_s

    def run(self, stop: threading.Event) -> None:
        """Send due deliveries every `look_every_s` until `stop` is set; a slow receiver hardly delays the others."""
        delete_at = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook-sender") as pool:
            while not stop.wait(self._look_every_s):
                try:
                    while self.deliver_due(pool) and not stop.is_set():
                        pass
                    if time.monotonic() >= delete_at:
                        delete_at = time.monotonic() + DELETE_EVERY_S
                        self._delete_old()
                except SQLAlchemyError as error:
                    log.warning("webhook_sender_waits_for_the_database", error=str(error))

    def deliver_due(self, pool: ThreadPoolExecutor) -> int:
        """Send up to AT_ONCE due deliveries in parallel and return how many."""
        with self._database.begin() as session:
            due = claim_due(session, limit=AT_ONCE)
        list(pool.map(self._deliver, due))
        return len(due)

    def _deliver(self, due: Due) -> None:
        result = self._try(due)
        level = log.info if result.error is None else log.warning
        level("webhook_sent", delivery=due.delivery_id, webhook=due.webhook_id, tries=due.tries, error=result.error)
        with self._database.begin() as session:
            record_try(session, due, status=result.status, error=result.error)

    def _try(self, due: Due) -> DeliveryResult:
        try:
            return send(due, allow_private=self._allow_private)
        except InvalidSpec as refusal:
            return DeliveryResult(status=None, error=refusal.detail)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return DeliveryResult(status=None, error=f"{type(error).__name__}: {error}"[:500])

    def _delete_old(self) -> None:
        with self._database.begin() as session:
            delete_old_deliveries(session, keep_s=self._keep_s)


def send(due: Due, *, allow_private: bool) -> DeliveryResult:
    """Send one delivery and return its outcome.

    The host name is resolved once, and the request goes to the address that was checked: a name that resolves to
    another address a moment later has no effect. Redirects are not followed.

    Args:
        due: The delivery.
        allow_private: Whether addresses of private networks are allowed.

    Raises:
        InvalidSpec: The address is forbidden.
        httpx.HTTPError: There was no response.
        OSError: The host name cannot be resolved.
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
        ) as response,
    ):
        # The body is not read, however long it is.
        status = response.status_code
    return DeliveryResult(status=status, error=None if 200 <= status < 300 else f"it answered {status}")
