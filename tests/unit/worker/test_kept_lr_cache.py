"""Entries of the learning-rate cache go some time after their last use, and never from under a run."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from service.settings import Settings
from service.store.database import Database, now_s
from service.store.datasets import create_dataset
from service.store.jobs import create_job
from service.store.tables import AuditRow, RunRow
from tests.fakes import FakeTrainers
from trainers.engine.lr_cache import CachedRate, LearningRateCache
from trainers.models.transformer.token_ids import TokenizedDataset
from worker.housekeeping import DAY_S, Housekeeper

KEEP_DAYS = 10


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    found = Database(sqlite_url)
    yield found
    found.dispose()


@pytest.fixture
def cache(tmp_path: Path) -> LearningRateCache:
    """A cache with an entry that was used yesterday, and one that was not used for twenty days."""
    found = LearningRateCache(folder=tmp_path / "artifacts" / "lr_cache")
    for key in ("young", "old"):
        with found.lock(key, lambda: None):
            found.write(key, CachedRate(learning_rate=1e-3, source="finder", reason="made"))
    age(found, "young", days=1)
    age(found, "old", days=20)
    return found


def age(cache: LearningRateCache, key: str, *, days: float) -> None:
    for name in (f"{key}.json", f"{key}.lock"):
        path = cache.folder / name
        then = path.stat().st_mtime - days * DAY_S
        os.utime(path, (then, then))


def keep_house(database: Database, cache: LearningRateCache) -> list[str]:
    """Apply retention and return the names of the files that are left."""
    data_dir = cache.folder.parent.parent
    settings = Settings(data_dir=data_dir, keep_lr_cache_days=KEEP_DAYS)
    Housekeeper(database=database, settings=settings).apply_retention()
    return sorted(path.name for path in cache.folder.iterdir())


def test_an_entry_goes_with_its_lock_some_time_after_its_last_use_and_the_audit_log_says_so(
    database: Database, cache: LearningRateCache
) -> None:
    assert keep_house(database, cache) == ["young.json", "young.lock"]

    with database.read() as session:
        [entry] = session.scalars(select(AuditRow)).all()
    assert (entry.action, entry.detail) == ("prune_lr_cache", {"files": 2})


def test_encodings_go_and_stay_as_learning_rates_do(database: Database, cache: LearningRateCache) -> None:
    encoded = TokenizedDataset(first_F=np.array([0, 1]), ids=np.array([7], np.int32), truncated_F=np.array([False]))
    tokens = cache.folder / "tokens"
    for name in ("read.arrow", "old.arrow"):
        encoded.write(tokens / name)
        os.utime(tokens / name, (0, 0))
    assert TokenizedDataset.read(tokens / "read.arrow") is not None

    keep_house(database, cache)

    assert [path.name for path in tokens.iterdir()] == ["read.arrow"]


def test_an_entry_that_cannot_be_removed_holds_up_no_other(database: Database, cache: LearningRateCache) -> None:
    (cache.folder / "old.lock").unlink()
    (cache.folder / "old.lock").mkdir()
    cache.write("stale", CachedRate(learning_rate=1e-3, source="finder", reason="made"))
    (cache.folder / "stale.lock").touch()
    age(cache, "stale", days=20)

    assert keep_house(database, cache) == ["old.json", "old.lock", "young.json", "young.lock"]


def test_reading_an_entry_is_a_use_of_it(database: Database, cache: LearningRateCache) -> None:
    assert cache.read("old") is not None

    assert "old.json" in keep_house(database, cache)


def test_an_entry_stays_while_a_run_looks_for_its_rate(database: Database, cache: LearningRateCache) -> None:
    with (cache.folder / "old.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "old.json" in keep_house(database, cache)


def test_an_entry_stays_that_was_used_since_the_oldest_unfinished_run_was_made(
    database: Database, cache: LearningRateCache, tmp_path: Path
) -> None:
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    with database.begin() as session:
        dataset = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    trainers.work()
    with database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=dataset.id, config={}, seeds=[1])
        waits = update(RunRow).where(RunRow.state == "queued")
        session.execute(waits.values(created_at=now_s() - 21 * DAY_S))
    assert "old.json" in keep_house(database, cache)

    with database.begin() as session:
        session.execute(update(RunRow).where(RunRow.state == "queued").values(created_at=now_s() - 19 * DAY_S))
    assert "old.json" not in keep_house(database, cache)
