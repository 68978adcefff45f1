"""A long backlog of old rows goes in batches that an index finds; what one tick leaves, the next one takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, insert, select

from service.settings import Settings
from service.store.audit import prune_audit
from service.store.batches import Pace
from service.store.database import Database
from service.store.old_deliveries import (
    delete_ended_deliveries,
    delete_orphaned_deliveries,
    give_up_old_deliveries,
)
from service.store.retention import forget_answers
from service.store.tables import AuditRow, DeliveryRow, IdempotencyRow, UptimeRow, WebhookRow
from worker.housekeeping import Housekeeper

ROWS = 7
ONE_BATCH = Pace(rows=3, within_s=0.0)
SMALL_BATCHES = Pace(rows=3)
DELIVERY = {"event": "run.failed", "body": "{}", "tries": 1}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Seven rows of each kind from long ago, three kinds of deliveries among them, and one webhook."""
    found = Database(database_url)
    numbers = range(ROWS)
    with found.begin() as session:
        webhook = {"id": "wh_here", "url": "u", "events": [], "secret": "s", "active": True, "created_at": 1.0}
        session.execute(insert(WebhookRow).values(webhook))
        session.execute(
            insert(IdempotencyRow),
            [{"key": f"k{n}", "request_hash": "h", "status": 202, "body": {}, "created_at": 1.0} for n in numbers],
        )
        audit = {"at": 1.0, "principal_id": "p", "principal": "p", "action": "old", "outcome": "done", "detail": {}}
        session.execute(insert(AuditRow), [audit for _ in numbers])
        now = session.scalars(select(func.max(UptimeRow.seconds))).one()
        kinds: dict[str, dict[str, Any]] = {
            "ended": {"webhook_id": "wh_here", "state": "delivered", "created_at": 1.0},
            "waiting": {"webhook_id": "wh_here", "state": "pending", "created_at": 2e10, "created_uptime_s": now - 1e6},
            "orphaned": {"webhook_id": "wh_gone", "state": "pending", "created_at": 2e10},
        }
        for name, kind in kinds.items():
            rows = [DELIVERY | {"created_uptime_s": None} | kind | {"id": f"{name}{n}"} for n in numbers]
            session.execute(insert(DeliveryRow), rows)
    yield found
    found.dispose()


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that any engine executes, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def old_rows(database: Database) -> list[int]:
    """Return how many old audit entries, answers, and ended, waiting and orphaned deliveries there are."""
    chosen = (
        select(AuditRow).where(AuditRow.action == "old"),
        select(IdempotencyRow),
        *(
            select(DeliveryRow).where(DeliveryRow.id.like(kind), DeliveryRow.state != "failed")
            for kind in ("ended%", "waiting%", "orphaned%")
        ),
    )
    with database.read() as session:
        return [session.scalars(select(func.count()).select_from(one.subquery())).one() for one in chosen]


def let_go(database: Database, pace: Pace) -> list[int]:
    """Let everything old go, each kind at this pace, and return how many rows of each kind that was."""
    return [
        prune_audit(database, kept_s=60.0, pace=pace),
        forget_answers(database, keep_s=60.0, pace=pace),
        delete_ended_deliveries(database, keep_s=60.0, pace=pace),
        give_up_old_deliveries(database, pace=pace),
        delete_orphaned_deliveries(database, pace=pace),
    ]


def test_a_call_does_what_its_pace_allows_and_the_next_one_the_rest(database: Database) -> None:
    assert let_go(database, ONE_BATCH) == [3] * 5
    assert old_rows(database) == [ROWS - 3] * 5

    assert let_go(database, SMALL_BATCHES) == [ROWS - 3] * 5
    assert old_rows(database) == [0] * 5


def test_no_transaction_changes_more_rows_than_a_batch_has(database: Database) -> None:
    changed: list[int] = []

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("DELETE", "UPDATE", "WITH RECURSIVE")):
            changed.append(cursor.rowcount)

    event.listen(Engine, "after_cursor_execute", note)
    let_go(database, SMALL_BATCHES)
    event.remove(Engine, "after_cursor_execute", note)

    assert max(changed) <= SMALL_BATCHES.rows


def test_an_index_finds_what_is_old(database: Database, statements: list[tuple[str, Any]], tmp_path: Path) -> None:
    Housekeeper(database=database, settings=Settings(data_dir=tmp_path)).apply_retention()

    tables = ("FROM audit", "FROM idempotency_keys", "FROM deliveries")
    looks = [one for one in statements if "SELECT" in one[0] and any(table in one[0] for table in tables)]
    assert len(looks) >= 5
    with database.read() as session:
        connection = session.connection()
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plans = ["\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}", values).scalars()) for sql, values in looks]
        else:
            plans = [
                "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
                for sql, values in looks
            ]
    whole = [f"{scan} {table}" for scan in ("Seq Scan on", "SCAN") for table in ("audit", "idempotency", "deliveries")]
    assert [plan for plan in plans if any(table in plan for table in whole)] == []
