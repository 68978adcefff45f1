"""Two senders that store how their tries of one webhook ended, at the same time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.domain.webhooks import OPEN_AFTER
from service.store.database import Database
from service.store.deliveries import Due, Outcome, record_tries
from service.store.tables import DeliveryRow, WebhookRow

pytestmark = pytest.mark.locks
LATER_S = 4e9
DELIVERIES = ("dlv_1", "dlv_2", "dlv_3")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A webhook with deliveries, each of which was tried once."""
    found = Database(database_url)
    webhook = {"id": "wh_1", "url": "http://a/", "events": [], "secret": "s", "active": True, "created_at": 1.0}
    common = {"webhook_id": "wh_1", "event": "run.failed", "body": "{}", "state": "pending", "tries": 1}
    with found.begin() as session:
        session.execute(insert(WebhookRow), [webhook])
        times = {"next_at": LATER_S, "created_at": 1.0}
        session.execute(insert(DeliveryRow), [{"id": name, **common, **times} for name in DELIVERIES])
    yield found
    found.dispose()


def outcome(delivery_id: str, *, error: str | None) -> Outcome:
    due = Due(
        delivery_id=delivery_id, webhook_id="wh_1", url="http://a/", secret="s", body="{}", tries=1, failing=False
    )
    return Outcome(due=due, status=None, error=error)


def record_both(database: Database, first: Outcome, second: Outcome) -> None:
    """Store the second outcome in a transaction that begins while the first is stored and not committed."""
    began = threading.Event()

    def record_second() -> None:
        began.set()
        with database.begin() as session:
            record_tries(session, [second])

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as session:
            record_tries(session, [first])
            later = pool.submit(record_second)
            began.wait(10)
            # Long enough to come to the lock; were it slower, the two would only be one after the other.
            threading.Event().wait(0.2)
        later.result(30)


def failures_of(session: Session) -> int:
    return session.scalars(select(WebhookRow.failures)).one()


def test_two_failures_at_the_same_time_count_as_two(database: Database) -> None:
    record_both(database, outcome("dlv_1", error="no answer"), outcome("dlv_2", error="no answer"))

    with database.read() as session:
        assert failures_of(session) == 2


def test_a_success_closes_a_circuit_that_a_failure_at_the_same_time_has_opened(database: Database) -> None:
    with database.begin() as session:
        session.connection().exec_driver_sql(f"UPDATE webhooks SET failures = {OPEN_AFTER - 1}")

    record_both(database, outcome("dlv_1", error="no answer"), outcome("dlv_2", error=None))

    with database.read() as session:
        assert failures_of(session) == 0
        waiting = session.scalars(select(DeliveryRow.next_at).where(DeliveryRow.id.in_(["dlv_1", "dlv_3"])))
        assert all(at is not None and at < LATER_S for at in waiting)
