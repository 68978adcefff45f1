"""What the outbox holds reaches a real receiver: signed, at least once, again after a failure."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from cellgate.contract.api.webhooks import WebhookEvent
from service.settings import Settings
from service.store.database import Database
from service.store.deliveries import Outcome, due_deliveries, record_tries
from service.store.old_deliveries import delete_orphaned_deliveries
from service.store.tables import DeliveryRow
from service.store.webhooks import delete_webhook, enqueue_event, get_webhook, list_deliveries
from tests.webhook_receivers import TRUSTING, claimed, deliver, due_now, happen, outbox, receiving, subscribed
from worker.webhook_sender import WebhookSender


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, once SQLite and once PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


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
        [lost] = claimed(database)
        assert deliver(database) == 0
        due_now(database)
        assert deliver(database) == 1

    assert outbox(database, webhook) == [("delivered", 2, 204)]
    # and if it was only slow, what it reports then changes nothing
    with database.begin() as session:
        record_tries(session, [Outcome(due=lost, status=500, error="late")])
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
    left, *deleted = [subscribed(database, f"http://127.0.0.1:{port}/") for port in (1, 2, 3)]
    happen(database, 2)
    with database.begin() as session:
        for webhook in deleted:
            delete_webhook(session, webhook.id)
        assert {due.webhook_id for due in due_deliveries(session, limit=8)} == {left.id}

    delete_orphaned_deliveries(database)

    with database.read() as session:
        assert session.scalars(select(DeliveryRow.webhook_id)).all() == [left.id, left.id]
