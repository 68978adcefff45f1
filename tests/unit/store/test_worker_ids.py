"""Ids of workers, and what the database knows of whether they live."""

import pytest
from sqlalchemy import update

from service.store.database import Database
from service.store.tables import UptimeRow, WorkerRow
from service.store.uptime import advance_uptime, stamp_what_changed
from service.store.workers import (
    ALIVE_S,
    list_workers,
    living_workers,
    record_heartbeat,
    register_new_worker,
    retire_silent_workers,
    retire_worker,
    set_draining,
)


def start(database: Database, wanted: str = "host:1") -> str:
    with database.begin() as session:
        return register_new_worker(session, wanted=wanted, queues=["cpu"], slots=2)


def let_pass(database: Database, seconds: float) -> None:
    with database.begin() as session:
        session.execute(update(UptimeRow).values(seconds=UptimeRow.seconds + seconds))


def alive(database: Database) -> list[str]:
    with database.read() as session:
        return [worker.id for worker in living_workers(session)]


def test_a_second_worker_of_the_same_host_name_and_process_id_gets_another_id(database: Database) -> None:
    assert [start(database) for _ in range(3)] == ["host:1", "host:1-2", "host:1-3"]

    # The end of one takes no other with it.
    with database.begin() as session:
        retire_worker(session, worker_id="host:1")
        assert [worker.id for worker in list_workers(session)] == ["host:1-2", "host:1-3"]


def test_the_id_of_a_worker_that_fell_silent_is_free_and_its_drain_ends(database: Database) -> None:
    start(database)
    with database.begin() as session:
        set_draining(session, "host:1", draining=True)
    let_pass(database, ALIVE_S + 1)

    assert start(database) == "host:1"

    with database.read() as session:
        [worker] = list_workers(session)
    assert not worker.draining


@pytest.mark.parametrize("jump_s", [-432_000, -3600, 3600, 432_000])
def test_a_clock_that_jumps_makes_no_worker_silent_and_none_alive(database: Database, jump_s: float) -> None:
    start(database, "living:1")
    start(database, "dead:1")
    let_pass(database, ALIVE_S + 1)
    with database.begin() as session:
        assert record_heartbeat(session, worker_id="living:1", listening=True)
        # As if the clock had shown something else at the last heartbeats.
        jumped = WorkerRow.heartbeat_at + jump_s
        session.execute(update(WorkerRow).values(heartbeat_at=jumped, seen_heartbeat_at=jumped))
        stamp_what_changed(session)

    assert alive(database) == ["living:1"]
    with database.begin() as session:
        retire_silent_workers(session, silent_s=3600)
        assert len(list_workers(session)) == 2
    let_pass(database, 3600)
    with database.begin() as session:
        record_heartbeat(session, worker_id="living:1", listening=True)
        retire_silent_workers(session, silent_s=3600)
        assert [worker.id for worker in list_workers(session)] == ["living:1"]


def test_a_heartbeat_of_release_0_2_counts_once_a_reconciler_has_seen_it(database: Database) -> None:
    start(database)
    let_pass(database, ALIVE_S + 1)
    with database.begin() as session:
        session.execute(update(WorkerRow).values(heartbeat_at=WorkerRow.heartbeat_at + 5))
    assert alive(database) == []

    with database.begin() as session:
        stamp_what_changed(session)
    assert alive(database) == ["host:1"]

    # Seen once, it does not count again.
    let_pass(database, ALIVE_S + 1)
    with database.begin() as session:
        stamp_what_changed(session)
    assert alive(database) == []


def test_two_reconcilers_do_not_make_the_uptime_run_twice_as_fast(database: Database) -> None:
    first = second = 0.0
    for _ in range(10):
        with database.begin() as session:
            first = advance_uptime(session, seen_s=first, by_s=2.0)
        with database.begin() as session:
            second = advance_uptime(session, seen_s=second, by_s=2.0)
    assert first == second == 20.0
