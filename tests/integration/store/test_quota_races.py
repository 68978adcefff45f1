"""Quotas hold whatever comes at the same time, on PostgreSQL as on SQLite."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cellgate.contract.cells import Cell
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.states import LEASED
from service.domain.errors import QuotaExceeded
from service.domain.principals import Owner
from service.store.claims import claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.jobs import create_job
from service.store.quotas import check_waiting
from service.store.tables import RunRow
from tests.fakes import FakeTrainers

LIMIT = 3
ME = Owner(id="pri_me", name="me")
THREADS = 8


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database at the newest schema."""
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def dataset_id(database: Database, tmp_path: Path) -> str:
    """A data set that is ready."""
    with database.begin() as session:
        made = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
    FakeTrainers(database, tmp_path / "artifacts").work()
    return made.id


def test_no_owner_ever_has_more_runs_at_work_than_its_quota(database: Database, dataset_id: str) -> None:
    for owner in (Owner(id="pri_a", name="a"), Owner(id="pri_b", name="b")):
        with database.begin() as session:
            seeds = list(range(20))
            create_job(
                session,
                cell=Cell.GNN,
                dataset_id=dataset_id,
                config={},
                seeds=seeds,
                owner=owner,
            )
    start = threading.Barrier(THREADS)

    def worker(_number: int) -> None:
        start.wait()
        for _try in range(4):
            with database.begin() as session:
                claim_next(session, worker="w", queues=["cpu"], lease_s=60, max_running=LIMIT)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(worker, range(THREADS)))

    with database.read() as session:
        at_work = select(RunRow.owner, func.count()).where(RunRow.state.in_(LEASED)).group_by(RunRow.owner)
        assert sorted(tuple(row) for row in session.execute(at_work)) == [("a", LIMIT), ("b", LIMIT)]


def test_of_many_submissions_at_once_as_many_are_taken_as_the_quota_lets(database: Database, dataset_id: str) -> None:
    # Where writers can be at work at the same time, all have inserted before any counts.
    inserted = threading.Barrier(THREADS if database.dialect == "postgresql" else 1)

    def submit(_number: int) -> bool:
        try:
            with database.begin() as session:
                create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=[0], owner=ME)
                inserted.wait()
                check_waiting(session, owner=ME, limit=LIMIT)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        taken = list(pool.map(submit, range(THREADS)))

    assert sum(taken) == LIMIT
