"""PostgreSQL's advisory locks: all keys in one place, so that no two kinds of work share one by mistake."""

from enum import IntEnum, unique

from sqlalchemy import text
from sqlalchemy.orm import Session


@unique
class AdvisoryLock(IntEnum):
    """Keys; arbitrary, but the same in every process and every release."""

    MIGRATE = 5_251_525_354
    CLAIMS = 5_251_525_355
    SUBMISSIONS = 5_251_525_356
    REGISTRATIONS = 5_251_525_357
    # Held by whoever stores or removes an uploaded file.
    UPLOADS = 5_251_525_358
    MEASUREMENTS = 5_251_525_359
    # Held by whoever gives a data set its name, from the look at its last version to the row.
    DATASET_NAMES = 5_251_525_360


def one_at_a_time(session: Session, lock: AdvisoryLock) -> None:
    """Hold the advisory lock until the transaction has ended; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock.value})
