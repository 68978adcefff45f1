"""A reconciler takes a lease back only after it has itself seen nothing move for the lease's length."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import update

from service.settings import Settings
from service.store.claims import Claim
from service.store.database import Database
from service.store.leases import lease_marks
from service.store.lifecycle import expire_leases, release, renew
from service.store.queue import waiting_of
from service.store.runs import get_run
from service.store.tables import AttemptRow, JobRow, RunRow
from service.store.uptime import read_uptime_s
from tests.lapsed_leases import HandClock
from tests.worker_harness import Floor, claim_as
from worker.observed_time import ObservedTime
from worker.reconciler import Reconciler

LEASE_S = 10.0
# Of the lease: how often these observers look.
TICK_S = 1.0


class Observer:
    """A reconciler's eyes, with a clock that the test moves."""

    def __init__(self, database: Database) -> None:
        self.clock = HandClock()
        settings = Settings.model_validate({"lease_s": LEASE_S, "reconcile_every_s": TICK_S})
        self._time = ObservedTime(database, settings, clock=self.clock)

    def look(self, *, after_s: float = 0.0) -> list[str]:
        """Return the runs whose leases may be taken back."""
        self.clock.pass_by(after_s)
        return list(self._time.look())

    def looks(self, seconds: float) -> list[list[str]]:
        """Look every tick for so long."""
        return [self.look(after_s=TICK_S) for _ in range(round(seconds / TICK_S))]


def held_run(floor: Floor) -> Claim:
    floor.prepare_run()
    return claim_as(floor.database, "worker-1", lease_s=LEASE_S)


@pytest.mark.parametrize("jump_s", [-432_000, -3600, 3600, 432_000])
def test_no_wall_clock_makes_a_lease_expire_or_last(small_floor: Floor, jump_s: float) -> None:
    claim = held_run(small_floor)
    observer = Observer(small_floor.database)
    observer.look()
    with small_floor.database.begin() as session:
        session.execute(update(RunRow).values(lease_expires_at=RunRow.lease_expires_at + jump_s))

    # It moved once, whereto does not matter, and then no more.
    *before, last = [observer.look(after_s=TICK_S), *observer.looks(LEASE_S)]

    assert all(found == [] for found in before)
    assert last == [claim.run_id]


def test_a_fresh_observer_watches_for_a_whole_lease_before_it_takes_anything_back(small_floor: Floor) -> None:
    claim = held_run(small_floor)
    with small_floor.database.begin() as session:
        session.execute(update(RunRow).values(lease_expires_at=1.0))
    observer = Observer(small_floor.database)

    assert observer.look() == []
    assert [found for found in observer.looks(LEASE_S - TICK_S) if found] == []
    assert observer.look(after_s=TICK_S) == [claim.run_id]


@pytest.mark.parametrize("renewed_by", ["this release", "release 0.2"])
def test_a_lease_that_is_renewed_is_never_taken_back(small_floor: Floor, renewed_by: str) -> None:
    claim = held_run(small_floor)
    observer = Observer(small_floor.database)
    for _ in range(20):
        assert observer.looks(LEASE_S / 2) == [[]] * 5
        with small_floor.database.begin() as session:
            if renewed_by == "this release":
                renew(session, run_id=claim.run_id, attempt=claim.attempt, lease_s=LEASE_S)
            else:
                session.execute(update(RunRow).values(lease_expires_at=RunRow.lease_expires_at + 5))


def test_an_observer_that_was_frozen_takes_back_nothing_at_its_first_look(small_floor: Floor) -> None:
    claim = held_run(small_floor)
    observer = Observer(small_floor.database)
    observer.looks(2)

    # Its clock ran on for an hour in which it saw nothing.
    assert observer.look(after_s=3600) == []
    assert observer.look(after_s=TICK_S) == []
    # A really lost worker is found a moment later all the same.
    assert observer.looks(LEASE_S)[-1] == [claim.run_id]


def test_a_lease_lasts_as_long_as_its_worker_wanted(small_floor: Floor) -> None:
    small_floor.prepare_run()
    claim = claim_as(small_floor.database, "worker-1", lease_s=3 * LEASE_S)
    observer = Observer(small_floor.database)
    observer.look()

    assert [found for found in observer.looks(3 * LEASE_S - TICK_S) if found] == []
    assert observer.look(after_s=TICK_S) == [claim.run_id]


def test_of_two_observers_only_one_takes_a_lease_back(small_floor: Floor) -> None:
    claim = held_run(small_floor)
    with small_floor.database.read() as session:
        seen = lease_marks(session)
    with small_floor.database.begin() as session:
        assert expire_leases(session, seen) == [claim.run_id]
    again = claim_as(small_floor.database, "worker-2")
    with small_floor.database.begin() as session:
        assert expire_leases(session, seen) == []
    assert again.attempt == 2


def test_the_uptime_is_what_observers_saw_pass_and_survives_them(small_floor: Floor) -> None:
    for _ in range(2):
        observer = Observer(small_floor.database)
        observer.look()
        observer.looks(10)
        observer.look(after_s=3600)
    with small_floor.database.read() as session:
        uptime_s = read_uptime_s(session)
    # Twice ten seconds, and what one look after a freeze may count.
    assert 20 <= uptime_s <= 30


def test_the_wait_in_the_queue_is_counted_over_restarts_of_the_reconciler(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    with small_floor.database.begin() as session:
        session.execute(update(JobRow).values(queue_timeout_s=15.0))
        # The clock had jumped when it was queued.
        session.execute(update(RunRow).values(queued_at=1.0))
    context, states = small_floor.context(""), []
    parts = {"database": context.database, "notifier": context.notifier, "settings": context.settings}
    for _ in range(2):
        with redis.Redis(
            unix_socket_path=str(small_floor.folder / "nobody.sock"), retry=Retry(NoBackoff(), 0)
        ) as nobody:
            clock = HandClock()
            reconciler = Reconciler(**parts, broker=nobody, clock=clock)  # type: ignore[arg-type]
            for _ in range(11):
                reconciler.reconcile()
                clock.pass_by(1.0)
        states.append(small_floor.run(run_id).state)

    assert states == ["queued", "failed"]
    assert small_floor.run(run_id).failure_reason == "queue_timeout"


def test_time_at_work_is_no_wait_in_the_queue_even_where_release_0_2_claimed_the_run(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    observer = Observer(small_floor.database)
    observer.looks(4)
    with small_floor.database.begin() as session:
        # As release 0.2 claims: it does not know the column.
        session.execute(update(RunRow).values(state="running", attempt=1))
    observer.looks(30)
    with small_floor.database.begin() as session:
        session.execute(update(RunRow).values(state="queued"))
    observer.looks(4)

    with small_floor.database.read() as session:
        run = get_run(session, run_id)
        assert run.queued_uptime_s is not None
        assert read_uptime_s(session) - run.queued_uptime_s <= 6
        assert waiting_of(session, [run])[run_id].ahead == 0


def test_a_run_goes_on_from_the_checkpoint_of_its_last_attempt_whatever_the_clocks_showed(small_floor: Floor) -> None:
    small_floor.prepare_run()
    for attempt, started_at in ((1, 2e9), (2, 1e9)):
        claim = claim_as(small_floor.database, "worker-1")
        with small_floor.database.begin() as session:
            chosen = update(AttemptRow).where(AttemptRow.attempt == attempt)
            session.execute(chosen.values(checkpoint=f"c{attempt}", started_at=started_at))
            release(session, run_id=claim.run_id, attempt=attempt, why="draining")

    assert claim_as(small_floor.database, "worker-1").resume_from == "c2"
