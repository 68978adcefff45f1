"""The reconciler beside busy workers and corrupted rows, and the broker without its owner."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import update

from cellgate.contract.experiment import ExperimentSpec
from service.broker.connections import redis_client
from service.broker.notify import CeleryNotifier
from service.store.dispatch import due_for_dispatch
from service.store.experiments import create_experiment
from service.store.leases import LeaseMark
from service.store.tables import ExperimentRow, JobRow, RunRow
from tests.fakes import FakeTrainers
from tests.statements import counted_statements
from tests.worker_harness import Floor, until
from worker.reconciler import LEASES_AT_ONCE, Reconciler

pytestmark = pytest.mark.alike

OWNER = """
import sys, time
from pathlib import Path
from service.broker.embedded import EmbeddedBroker
with EmbeddedBroker(Path(sys.argv[1])) as broker:
    print(broker.url, broker._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def notifier(redis_url: str) -> Iterator[CeleryNotifier]:
    notifier = CeleryNotifier(redis_url)
    yield notifier
    notifier.close()


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def reconciler(floor: Floor, notifier: CeleryNotifier, broker: redis.Redis) -> Reconciler:
    settings = floor.context("", redispatch_after_s=0.001).settings
    return Reconciler(database=floor.database, notifier=notifier, settings=settings, broker=broker)


def test_as_many_messages_wait_as_runs_however_long_nobody_has_a_free_slot(
    floor: Floor, notifier: CeleryNotifier, broker: redis.Redis
) -> None:
    for _ in range(3):
        floor.prepare_run()
    looks = reconciler(floor, notifier, broker)

    for _ in range(5):
        looks.reconcile()

    assert broker.llen("cpu") == 3


def test_a_message_that_was_lost_on_its_way_is_sent_again(
    floor: Floor, notifier: CeleryNotifier, broker: redis.Redis
) -> None:
    floor.prepare_run()
    floor.prepare_run()
    looks = reconciler(floor, notifier, broker)
    looks.reconcile()
    broker.lpop("cpu")

    looks.reconcile()

    assert broker.llen("cpu") == 2


def test_a_flushed_broker_is_noticed_before_the_runs_are_due_again(
    small_floor: Floor, notifier: CeleryNotifier, broker: redis.Redis
) -> None:
    small_floor.prepare_run()
    settings = small_floor.context("", redispatch_after_s=3600.0).settings
    looks = Reconciler(database=small_floor.database, notifier=notifier, settings=settings, broker=broker)
    looks.reconcile()
    broker.flushall()

    looks.reconcile()

    assert broker.llen("cpu") == 1


def test_without_a_broker_nothing_counts_as_notified(small_floor: Floor, tmp_path: Path) -> None:
    run_id = small_floor.prepare_run()
    url = f"redis+socket://{tmp_path / 'nobody.sock'}?virtual_host=0"
    with redis_client(url) as nobody:
        reconciler(small_floor, CeleryNotifier(url), nobody).reconcile()

    with small_floor.database.begin() as session:
        assert due_for_dispatch(session, redispatch_after_s=3600.0) == [(run_id, "cpu")]


def test_an_experiment_that_cannot_advance_holds_up_no_other(
    floor: Floor, notifier: CeleryNotifier, broker: redis.Redis
) -> None:
    prepare_run = floor.prepare_run()
    with floor.database.begin() as session:
        dataset_id = session.get_one(JobRow, floor.run(prepare_run).job_id).dataset_id
        spec = ExperimentSpec(seeds=[0])
        corrupted, healthy = (
            create_experiment(session, name=name, dataset_id=dataset_id, spec=spec).id for name in ("a", "b")
        )
    FakeTrainers(floor.database, floor.folder / "artifacts").work(limit=1)
    with floor.database.begin() as session:
        # As after a crash between the end of a run and what should have followed.
        session.execute(update(RunRow).where(RunRow.experiment_id.is_not(None)).values(experiment_id=None))
        session.execute(update(JobRow).where(JobRow.experiment_id.is_not(None)).values(experiment_id=None))
        session.execute(update(ExperimentRow).values(state="waiting"))
        session.execute(update(ExperimentRow).where(ExperimentRow.id == corrupted).values(spec={"seeds": "corrupted"}))

    reconciler(floor, notifier, broker).reconcile()

    with floor.database.read() as session:
        states = {row: session.get_one(ExperimentRow, row).state for row in (corrupted, healthy)}
    assert states == {corrupted: "waiting", healthy: "preflight"}


def test_a_broker_whose_owner_was_killed_does_not_stay_behind(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        url, pid = owner.stdout.readline().split()
        with redis_client(url) as client:
            assert client.ping()

        os.kill(owner.pid, signal.SIGKILL)

        until(lambda: not psutil.pid_exists(int(pid)), "the broker follows its owner")
    finally:
        owner.kill()
        owner.communicate()


def test_a_tick_without_anything_to_do_reads_little_and_writes_nothing(
    small_floor: Floor, notifier: CeleryNotifier, broker: redis.Redis
) -> None:
    settings = small_floor.context("").settings
    looks = Reconciler(
        database=small_floor.database, notifier=notifier, settings=settings, broker=broker, clock=lambda: 0.0
    )
    looks.reconcile()

    with counted_statements() as statements:
        looks.reconcile()

    # Leases, the backlog, data sets, experiments; on SQLite each of three transactions has a BEGIN.
    assert len(statements) <= 7
    assert [found for found in statements if found != "BEGIN" and not found.startswith("SELECT")] == []


def test_leases_that_are_lost_together_are_taken_back_in_several_transactions(
    small_floor: Floor, notifier: CeleryNotifier, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = reconciler(small_floor, notifier, broker)
    lost = {f"run_{number}": LeaseMark(1, 0, None, 60.0) for number in range(LEASES_AT_ONCE + 1)}
    sizes: list[int] = []
    monkeypatch.setattr(looks._time, "look", lambda: lost)
    monkeypatch.setattr("worker.reconciler.expire_leases", lambda _, batch: sizes.append(len(batch)) or list(batch))

    looks._expire_leases()

    assert sizes == [LEASES_AT_ONCE, 1]
    assert sorted(looks._changed) == sorted(lost)
