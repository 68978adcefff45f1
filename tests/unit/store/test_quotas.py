"""No owner has more runs at work than one may have."""

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import RunLimits
from service.domain.principals import NOBODY, Owner
from service.store import lifecycle
from service.store.claims import Claim, claim_next, is_anything_open
from service.store.database import Database
from service.store.jobs import create_job
from service.store.paging import PageOf
from service.store.queue import waiting_of
from service.store.runs import list_runs
from service.store.workers import register_worker

LIMIT = 2


def job(database: Database, dataset_id: str, owner: str | None, *, runs: int, priority: int = 0) -> str:
    limits = RunLimits(priority=priority)
    with database.begin() as session:
        return create_job(
            session,
            cell=Cell.GNN,
            dataset_id=dataset_id,
            config={},
            seeds=list(range(runs)),
            limits=limits,
            owner=NOBODY if owner is None else Owner(id=f"pri_{owner}", name=owner),
        ).id


def claim(database: Database) -> Claim | None:
    with database.begin() as session:
        return claim_next(session, worker="w", queues=["cpu"], lease_s=60, max_running=LIMIT)


def test_an_owner_at_the_limit_waits_and_others_are_served_whatever_the_priority(
    database: Database, dataset_id: str
) -> None:
    greedy = job(database, dataset_id, "greedy", runs=4, priority=9)
    modest = job(database, dataset_id, "modest", runs=1)

    held = [claim(database) for _ in range(4)]

    assert [found and found.job_id for found in held] == [greedy, greedy, modest, None]


def test_runs_of_an_owner_at_the_limit_are_no_work_for_a_worker_that_looks(database: Database, dataset_id: str) -> None:
    job(database, dataset_id, "me", runs=LIMIT + 1)

    seen = []
    for _ in range(LIMIT + 1):
        with database.read() as session:
            limited = is_anything_open(session, worker="w", queues=["cpu"], max_running=LIMIT)
            seen.append((limited, is_anything_open(session, worker="w", queues=["cpu"])))
        claim(database)

    assert seen == [(True, True)] * LIMIT + [(False, True)]


def test_the_end_of_one_run_makes_room_for_the_next(database: Database, dataset_id: str) -> None:
    job(database, dataset_id, "me", runs=3)
    first, _second = claim(database), claim(database)
    assert claim(database) is None
    assert first is not None
    with database.begin() as session:
        lifecycle.succeed(session, run_id=first.run_id, attempt=first.attempt, exit_code=0, result={})

    third = claim(database)

    assert third is not None
    assert third.seed == 2


def test_what_belongs_to_nobody_is_not_counted(database: Database, dataset_id: str) -> None:
    job(database, dataset_id, None, runs=4)
    assert None not in [claim(database) for _ in range(4)]


def test_a_run_that_waits_for_its_owners_quota_says_so(database: Database, dataset_id: str) -> None:
    job(database, dataset_id, "me", runs=3)
    other = job(database, dataset_id, "other", runs=1)
    with database.begin() as session:
        register_worker(session, worker_id="w", queues=["cpu"], slots=8)
    for _ in range(2):
        with database.begin() as session:
            claim_next(session, worker="w", queues=["cpu"], lease_s=60)
    with database.begin() as session:
        mine = [run for run in list_runs(session, PageOf(limit=10)) if run.owner == "me" and run.state == "queued"]
        claim_next(session, worker="w", queues=["cpu"], lease_s=60)
        runs = list_runs(session, PageOf(limit=10))
        waits = waiting_of(session, runs, max_running=LIMIT)

    assert [run.job_id for run in runs if run.owner == "other"] == [other]
    held = {run_id: found for run_id, found in waits.items() if found.reason == "quota"}
    assert set(held) <= {run.id for run in mine}
    assert [found.detail for found in held.values()] == ["its owner has 2 runs at work, as many as one may have"]
