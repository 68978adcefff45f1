"""Quotas, usage and storage count by the owner's id: two owners of one name have nothing to do with each other."""

from pathlib import Path

import pytest
from sqlalchemy import insert

from cellgate.contract.api.operations import UsageBy
from cellgate.contract.cells import Cell
from service.domain.errors import QuotaExceeded
from service.domain.principals import Owner
from service.store.artifact_store import LocalStore
from service.store.claims import claim_next
from service.store.database import Database
from service.store.jobs import create_job
from service.store.quotas import check_waiting
from service.store.storage import measure_files, measured, owners_of_runs, store_measured
from service.store.tables import PrincipalRow
from service.store.usage import usage_of

FIRST, SECOND = Owner(id="pri_1", name="alice"), Owner(id="pri_2", name="alice")


def queue(database: Database, dataset_id: str, owner: Owner, runs: int) -> None:
    with database.begin() as session:
        create_job(session, cell=Cell.GNN, dataset_id=dataset_id, config={}, seeds=list(range(runs)), owner=owner)


def test_the_runs_of_another_owner_of_the_same_name_count_for_no_quota(database: Database, dataset_id: str) -> None:
    queue(database, dataset_id, FIRST, runs=3)
    queue(database, dataset_id, SECOND, runs=1)

    with database.begin() as session:
        check_waiting(session, owner=SECOND, limit=1)
        with pytest.raises(QuotaExceeded, match="3 waiting runs"):
            check_waiting(session, owner=FIRST, limit=2)
        claims = [claim_next(session, worker="w", queues=["cpu"], lease_s=60, max_running=1) for _ in range(3)]
    assert [claim is not None for claim in claims] == [True, True, False]


def test_usage_by_owner_keeps_owners_of_one_name_apart(database: Database, dataset_id: str) -> None:
    for owner in (FIRST, SECOND):
        queue(database, dataset_id, owner, runs=1)
    with database.begin() as session:
        for _ in range(2):
            assert claim_next(session, worker="w", queues=["cpu"], lease_s=60) is not None

    with database.read() as session:
        _, groups = usage_of(session, by=UsageBy.OWNER, since_s=0, before_s=1e11, limit=10)
    assert sorted((group.key, group.owner_id, group.runs) for group in groups if group.owner_id) == [
        ("alice", "pri_1", 1),
        ("alice", "pri_2", 1),
    ]


def test_storage_keeps_owners_of_one_name_apart(database: Database, dataset_id: str, tmp_path: Path) -> None:
    # Given runs of both, and one of a release that knew names only
    for owner in (FIRST, SECOND, Owner(id=None, name="alice")):
        queue(database, dataset_id, owner, runs=1)
    with database.begin() as session:
        for owner in (FIRST, SECOND):
            session.execute(insert(PrincipalRow).values(id=owner.id, name=owner.name, created_at=1.0))
        owners = owners_of_runs(session)
    store = LocalStore(tmp_path)
    sizes = {"pri_1": 10, "pri_2": 200, "alice": 3000}
    for run_id, key in owners.items():
        file = tmp_path / "artifacts" / "runs" / run_id / "attempt-1" / "model" / "weights"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * sizes.get(key, 1))

    with database.begin() as session:
        store_measured(session, measure_files(store, owners))

    with database.read() as session:
        found = {part.owner: part.size_bytes for part in measured(session) if part.owner.name == "alice"}
    assert found == {FIRST: 10, SECOND: 200, Owner(id=None, name="alice"): 3000}
