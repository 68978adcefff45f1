"""The reconciler removes what is kept for a time only: idempotency keys and old entries of the audit log."""

from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import redis
from sqlalchemy import insert, select, update

from service.domain.principals import LOCAL
from service.settings import Settings
from service.store.audit import Actor, Entry, record
from service.store.database import Database, now_s
from service.store.keys import KEPT_S
from service.store.tables import AuditRow, IdempotencyRow
from tests.live_server import SilentNotifier
from worker.reconciler import DAY_S, Reconciler


def key(name: str, age_s: float) -> dict[str, Any]:
    return {"key": name, "request_hash": "", "status": 202, "body": {}, "created_at": now_s() - age_s}


def test_keys_older_than_a_day_and_entries_older_than_the_setting_are_removed(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, audit_kept_days=10)
    database = Database(sqlite_url)
    with database.begin() as session:
        session.execute(insert(IdempotencyRow).values(key("old", KEPT_S + 60)))
        session.execute(insert(IdempotencyRow).values(key("young", KEPT_S - 60)))
        for action, age_s in (("old", 10 * DAY_S + 60), ("young", 10 * DAY_S - 60)):
            record(session, Actor(principal=LOCAL), Entry(action=action))
            session.execute(update(AuditRow).where(AuditRow.action == action).values(at=now_s() - age_s))
    broker = create_autospec(redis.Redis, instance=True)

    Reconciler(database=database, notifier=SilentNotifier(), settings=settings, broker=broker).reconcile()

    with database.read() as session:
        assert session.scalars(select(IdempotencyRow.key)).all() == ["young"]
        assert session.scalars(select(AuditRow.action).order_by(AuditRow.id)).all() == ["young", "prune_audit"]
    database.dispose()
