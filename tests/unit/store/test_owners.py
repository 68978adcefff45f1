"""Quotas and usage count by the owner's id: two owners of one name have nothing to do with each other."""

import pytest

from cellgate.contract.api.operations import UsageBy
from cellgate.contract.cells import Cell
from service.domain.errors import QuotaExceeded
from service.domain.principals import Owner
from service.store.claims import claim_next
from service.store.database import Database
from service.store.jobs import create_job
from service.store.quotas import check_waiting
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
