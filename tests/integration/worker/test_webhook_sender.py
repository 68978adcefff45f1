"""What the outbox holds reaches a real receiver: signed, at least once, again after a failure."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import delete, select, update

from cellgate.contract.api.webhooks import WebhookEvent
from service.settings import Settings
from service.store.database import Database
from service.store.tables import DeliveryRow, WebhookRow
from service.store.webhooks import (
    claim_due,
    create_webhook,
    delete_old_deliveries,
    enqueue_event,
    get_webhook,
    list_deliveries,
    record_try,
)
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


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, once SQLite and once PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


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
    with ThreadPoolExecutor(4) as pool:
        return WebhookSender(database=database, settings=settings).deliver_due(pool)


def due_now(database: Database) -> None:
    """Let the time pass that a delivery waits for."""
    with database.begin() as session:
        session.execute(update(DeliveryRow).where(DeliveryRow.next_at.is_not(None)).values(next_at=0.0))


def outbox(database: Database, webhook: WebhookRow) -> list[tuple[str, int, int | None]]:
    """State, tries and last status of each delivery, oldest first."""
    with database.read() as session:
        rows = list_deliveries(session, webhook.id)
        return [(row.state, row.tries, row.last_status) for row in reversed(rows)]


def checked(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the signature is right, by the words of the standard alone."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    return headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_what_happened_arrives_once_signed_and_as_it_was_written(database: Database) -> None:
    with receiving() as receiver:
        webhook = subscribed(database, receiver.url)
        happen(database)

        assert (deliver(database), deliver(database)) == (1, 0)

    [(headers, body)] = receiver.came
    assert checked(webhook.secret, headers, body)
    assert not checked(webhook.secret, headers, body + b" ")
    assert headers["content-type"] == "application/json"
    assert b'"type": "run.failed"' in body
    assert "stalled ü".encode() in body
    assert outbox(database, webhook) == [("delivered", 1, 204)]


def test_after_a_failure_it_is_tried_again_later_under_the_same_id(database: Database) -> None:
    with receiving() as receiver:
        receiver.answers = [500, 302, 200]
        webhook = subscribed(database, receiver.url)
        happen(database)
        for expected in (1, 0):
            assert deliver(database) == expected
        assert outbox(database, webhook) == [("pending", 1, 500)]
        for _ in range(2):
            due_now(database)
            deliver(database)

    # a redirect is not followed: it is no delivery
    assert len(receiver.came) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert outbox(database, webhook) == [("delivered", 3, 200)]


def test_who_is_away_for_good_is_given_up_after_eight_tries(database: Database) -> None:
    webhook = subscribed(database, "http://127.0.0.1:1/")
    happen(database)
    for _ in range(10):
        deliver(database)
        due_now(database)

    assert outbox(database, webhook) == [("failed", 8, None)]


def test_who_answers_gone_gets_nothing_more(database: Database) -> None:
    with receiving() as receiver:
        receiver.answers = [410]
        webhook = subscribed(database, receiver.url)
        happen(database)
        deliver(database)
        happen(database)
        deliver(database)

    assert len(receiver.came) == 1
    assert outbox(database, webhook) == [("failed", 1, 410)]
    with database.read() as session:
        assert not get_webhook(session, webhook.id).active


def test_several_webhook_senders_deliver_each_thing_once(database: Database) -> None:
    with receiving() as receiver:
        webhook = subscribed(database, receiver.url)
        happen(database, 40)
        stop = threading.Event()
        senders = [WebhookSender(database=database, settings=TRUSTING, look_every_s=0.01) for _ in range(3)]
        threads = [threading.Thread(target=webhook_sender.run, args=[stop]) for webhook_sender in senders]
        for thread in threads:
            thread.start()
        while not all(state == "delivered" for state, *_ in outbox(database, webhook)):
            stop.wait(0.05)
        stop.set()
        for thread in threads:
            thread.join()

    assert len(receiver.came) == 40
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 40


def test_what_a_webhook_sender_had_claimed_when_it_died_is_delivered_by_the_next(database: Database) -> None:
    with receiving() as receiver:
        webhook = subscribed(database, receiver.url)
        happen(database)
        with database.begin() as session:
            [lost] = claim_due(session, limit=8)
        assert deliver(database) == 0
        due_now(database)
        assert deliver(database) == 1

    assert outbox(database, webhook) == [("delivered", 2, 204)]
    # and if it was only slow, what it reports then changes nothing
    with database.begin() as session:
        record_try(session, lost, status=500, error="late")
    assert outbox(database, webhook) == [("delivered", 2, 204)]


def test_a_private_address_gets_no_request_even_if_it_was_public_when_the_webhook_was_made(database: Database) -> None:
    with receiving() as receiver:
        webhook = subscribed(database, receiver.url)
        happen(database)
        deliver(database, Settings())

    assert receiver.came == []
    assert outbox(database, webhook) == [("pending", 1, None)]
    with database.read() as session:
        [row] = list_deliveries(session, webhook.id)
        assert "no public address" in (row.last_error or "")


def test_what_was_rolled_back_is_not_sent(database: Database) -> None:
    webhook = subscribed(database, "http://127.0.0.1:1/")

    def fail() -> None:
        with database.begin() as session:
            enqueue_event(session, WebhookEvent.RUN_FAILED, {"run": "run_0"})
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()

    assert outbox(database, webhook) == []


def test_what_a_deleted_webhook_was_to_get_is_sent_to_nobody_and_forgotten(database: Database) -> None:
    webhook = subscribed(database, "http://127.0.0.1:1/")
    happen(database)
    with database.begin() as session:
        # As if it had been deleted between the look at the webhooks and the writing of what they are told.
        session.execute(delete(WebhookRow))
        assert claim_due(session, limit=8) == []
        delete_old_deliveries(session)

    with database.read() as session:
        assert session.scalars(select(DeliveryRow).where(DeliveryRow.webhook_id == webhook.id)).all() == []
