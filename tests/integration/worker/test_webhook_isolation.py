"""No receiver delays another one: each webhook has its own places, and a circuit that opens when it fails."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select, update

from service.domain.delivery_order import Places, choose
from service.store.database import Database, now_s
from service.store.deliveries import PER_WEBHOOK, due_deliveries
from service.store.old_deliveries import give_up_old_deliveries
from service.store.tables import DeliveryRow, UptimeRow, WebhookRow
from service.store.webhooks import enqueue_test, get_webhook, list_deliveries
from tests.webhook_receivers import (
    TRUSTING,
    claimed,
    deliver,
    due_now,
    hanging,
    happen,
    outbox,
    receiving,
    subscribed,
)
from tests.worker_harness import until
from worker.webhook_sender import WebhookSender

pytestmark = pytest.mark.alike

NOBODY = "http://127.0.0.1:1/"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, once SQLite and once PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


def insert_webhooks(database: Database, url: str, number: int) -> None:
    """Insert so many webhooks, more than the API would create, and one delivery for each."""
    common = {"url": url, "events": ["run.failed"], "secret": "whsec_AAAA", "active": True, "created_at": 0.0}
    with database.begin() as session:
        names = [f"wh_{url[-6:-1]}{index}" for index in range(number)]
        session.execute(insert(WebhookRow), [{"id": name, **common} for name in names])
        for name in names:
            enqueue_test(session, name)


def send_test(database: Database, webhook: WebhookRow) -> None:
    """Let one more event happen, for this webhook alone."""
    with database.begin() as session:
        enqueue_test(session, webhook.id)


def failures_of(database: Database, webhook: WebhookRow) -> tuple[int, bool]:
    """How often a webhook has failed in a row, and whether a time for its probe is set."""
    with database.read() as session:
        row = get_webhook(session, webhook.id)
        return row.failures, row.probe_at is not None


@pytest.mark.parametrize(
    ("refusing", "silent"), [(40, 30), pytest.param(1000, 200, marks=pytest.mark.slow)], ids=["short", "full"]
)
def test_a_good_webhook_gets_its_event_while_any_number_of_others_refuse_or_hang(
    database: Database, refusing: int, silent: int
) -> None:
    stop = threading.Event()
    with receiving() as receiver, receiving() as newcomer, hanging() as deaf:
        good, new = subscribed(database, receiver.url), subscribed(database, newcomer.url)
        sender = threading.Thread(target=WebhookSender(database=database, settings=TRUSTING).run, args=[stop])
        sender.start()
        try:
            send_test(database, good)
            until(lambda: len(receiver.came) == 1, "the good webhook gets an event")
            insert_webhooks(database, NOBODY, refusing)
            insert_webhooks(database, deaf, silent)
            send_test(database, good)
            send_test(database, new)
            until(lambda: len(receiver.came) == 2, "the good webhook gets another one")
            until(lambda: len(newcomer.came) == 1, "the new webhook gets its first one")
            with database.read() as session:
                gave_up = select(DeliveryRow).join(WebhookRow, DeliveryRow.webhook_id == WebhookRow.id)
                late = session.scalars(gave_up.where(WebhookRow.url == deaf, DeliveryRow.last_error.is_not(None))).all()
        finally:
            stop.set()
            sender.join()

    # Both came before the first of those that hang had timed out.
    assert late == []


def test_the_first_event_of_a_new_webhook_is_among_the_first_that_are_started(database: Database) -> None:
    new = subscribed(database, "http://127.0.0.1:3/")
    insert_webhooks(database, NOBODY, 40)
    insert_webhooks(database, "http://127.0.0.1:2/", 20)
    send_test(database, new)

    with database.read() as session:
        found = due_deliveries(session, limit=1000)
    [position] = [place for place, one in enumerate(found) if one.webhook_id == new.id]
    order = choose(found, [], places=Places(), limit=1000)

    # One delivery to each of the two other receivers may come before it, however many wait there, and for longer.
    assert position == 60
    assert found[position].delivery_id in order[:3]


def test_a_thousand_events_for_one_failing_webhook_take_only_its_own_places(database: Database) -> None:
    subscribed(database, NOBODY)
    happen(database, 50)

    with database.read() as session:
        assert len(due_deliveries(session, limit=500)) == PER_WEBHOOK


def test_a_host_that_breaks_the_resolver_fails_its_delivery_and_not_the_sender(database: Database) -> None:
    with receiving() as receiver:
        broken = subscribed(database, "http://ab..cd/")
        good = subscribed(database, receiver.url)
        happen(database)
        deliver(database)

    assert outbox(database, broken) == [("pending", 1, None)]
    assert outbox(database, good) == [("delivered", 1, 204)]
    with database.read() as session:
        [row] = list_deliveries(session, broken.id)
    assert "no host name" in str(row.last_error)


def test_a_webhook_that_fails_five_times_in_a_row_is_only_probed_until_one_event_arrives(database: Database) -> None:
    with receiving() as receiver:
        receiver.answers = [500] * 9
        webhook = subscribed(database, receiver.url)
        happen(database, 20)
        deliver(database)
        # Four at a time: the second four open the circuit.
        assert (len(receiver.came), failures_of(database, webhook)) == (8, (8, True))

        # One probe fails, and everything else goes on waiting.
        due_now(database)
        deliver(database)
        assert (len(receiver.came), failures_of(database, webhook)) == (9, (9, True))

        # The next one arrives: what waited follows at once, whatever its own next try was to be.
        due_now(database)
        deliver(database)

    assert failures_of(database, webhook) == (0, False)
    assert {state for state, *_ in outbox(database, webhook)} == {"delivered"}
    assert len(receiver.came) == 9 + 20


def test_only_one_of_several_senders_probes(database: Database) -> None:
    webhook = subscribed(database, NOBODY)
    happen(database, 3)
    with database.begin() as session:
        session.execute(update(WebhookRow).values(failures=5, probe_at=0.0))
        both = [due_deliveries(session, limit=8), due_deliveries(session, limit=8)]
    assert [len(found) for found in both] == [1, 1]

    assert [len(claimed(database)) for _ in range(2)] == [1, 0]
    assert failures_of(database, webhook) == (5, True)


def test_one_event_that_is_refused_opens_no_circuit_while_others_arrive(database: Database) -> None:
    with receiving() as receiver:
        webhook = subscribed(database, receiver.url)
        for _ in range(6):
            receiver.answers = [400]
            happen(database)
            deliver(database)
            happen(database)
            deliver(database)

    assert failures_of(database, webhook) == (0, False)


def test_an_event_that_waited_too_long_is_given_up_with_the_reason(database: Database) -> None:
    webhook = subscribed(database, NOBODY)
    happen(database)
    deliver(database)
    give_up_old_deliveries(database)
    assert outbox(database, webhook) == [("pending", 1, None)]

    with database.begin() as session:
        session.execute(update(UptimeRow).values(seconds=UptimeRow.seconds + 12 * 3600 + 1))
    give_up_old_deliveries(database)

    assert outbox(database, webhook) == [("failed", 1, None)]
    with database.read() as session:
        [row] = list_deliveries(session, webhook.id)
    assert str(row.last_error).startswith("given up after 12 h in the outbox; the last error was: ConnectError")


@pytest.mark.parametrize("tries", [0, 1, 7])
def test_a_clock_that_was_set_back_delays_no_delivery_beyond_its_longest_wait(database: Database, tries: int) -> None:
    subscribed(database, NOBODY)
    happen(database)
    with database.begin() as session:
        session.execute(update(DeliveryRow).values(tries=tries, next_at=now_s() + 5 * 86_400))
        assert len(due_deliveries(session, limit=8)) == 1
        session.execute(update(DeliveryRow).values(tries=tries, next_at=now_s() + 4))
        assert due_deliveries(session, limit=8) == []
