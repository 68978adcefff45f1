"""Housekeeping removes entries of the audit log by their age, and says so there."""

from pathlib import Path

from sqlalchemy import select, update

from service.domain.principals import LOCAL
from service.settings import Settings
from service.store.audit import Actor, Entry, record
from service.store.database import Database, now_s
from service.store.tables import AuditRow
from worker.housekeeping import DAY_S, Housekeeper


def test_entries_older_than_the_setting_are_removed(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, keep_audit_days=10)
    database = Database(sqlite_url)
    with database.begin() as session:
        for action, age_s in (("old", 10 * DAY_S + 60), ("young", 10 * DAY_S - 60)):
            record(session, Actor(principal=LOCAL), Entry(action=action))
            session.execute(update(AuditRow).where(AuditRow.action == action).values(at=now_s() - age_s))

    Housekeeper(database=database, settings=settings).apply_retention()

    with database.read() as session:
        assert session.scalars(select(AuditRow.action).order_by(AuditRow.id)).all() == ["young", "prune_audit"]
    database.dispose()
