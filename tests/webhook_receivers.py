"""Real receivers of webhooks, and an outbox that a test fills and empties."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sqlalchemy import update

from cellgate.contract.api.webhooks import WebhookEvent
from service.settings import Settings
from service.store.database import Database
from service.store.deliveries import Due, claim_due, due_deliveries
from service.store.tables import DeliveryRow, WebhookRow
from service.store.webhooks import create_webhook, enqueue_event, list_deliveries
from worker.webhook_sender import WebhookSender

TRUSTING = Settings(webhook_allow_private=True)


@dataclass
class Receiver:
    """A real HTTP server with configured responses that keeps its requests."""

    url: str
    answers: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", receiver.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(url=f"http://127.0.0.1:{server.server_port}/hook?team=core")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def hanging() -> Iterator[str]:
    """Yield the URL of a receiver that accepts connections and never answers."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(2048)
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/"


def subscribed(database: Database, url: str) -> WebhookRow:
    """A webhook that wants to know of failed runs."""
    with database.begin() as session:
        return create_webhook(session, url=url, events=[WebhookEvent.RUN_FAILED])


def happen(database: Database, number: int = 1) -> None:
    """Let so many runs have failed."""
    for run in range(number):
        with database.begin() as session:
            enqueue_event(session, WebhookEvent.RUN_FAILED, {"run": f"run_{run}", "failure_reason": "stalled ü"})


def deliver(database: Database, settings: Settings = TRUSTING) -> int:
    """Try everything that is due, once; how many that was."""
    return WebhookSender(database=database, settings=settings).deliver_due()


def due_now(database: Database) -> None:
    """Let the time pass that a delivery, or the circuit of its webhook, waits for."""
    with database.begin() as session:
        session.execute(update(DeliveryRow).where(DeliveryRow.next_at.is_not(None)).values(next_at=0.0))
        session.execute(update(WebhookRow).where(WebhookRow.probe_at.is_not(None)).values(probe_at=0.0))


def outbox(database: Database, webhook: WebhookRow) -> list[tuple[str, int, int | None]]:
    """State, tries and last status of each delivery, oldest first."""
    with database.read() as session:
        rows = list_deliveries(session, webhook.id)
        return [(row.state, row.tries, row.last_status) for row in reversed(rows)]


def claimed(database: Database) -> list[Due]:
    """Claim what is due, as a sender does."""
    with database.begin() as session:
        return claim_due(session, [one.delivery_id for one in due_deliveries(session, limit=8)])
