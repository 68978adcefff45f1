"""What messages can and cannot do: SQL alone decides which run starts."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from sqlalchemy import update

from cellgate.contract.states import DatasetState, FailureReason, RunState
from service.broker.connections import redis_client
from service.store.database import now_s
from service.store.datasets import list_datasets
from service.store.dispatch import due_for_dispatch
from service.store.lifecycle import MAX_RECOVERIES
from service.store.tables import RunRow
from tests.lapsed_leases import HandClock
from tests.worker_harness import WAIT_S, Floor, claim_as, gnn_result
from worker.claim_loop import work_off_queue
from worker.context import WorkerContext
from worker.reconciler import Reconciler

# Leaves only once all three stand-ins are there at the same time.
MEETS_TWO_OTHERS = """
place = out.parents[2] / "meeting"
place.mkdir(exist_ok=True)
(place / str(os.getpid())).touch()
while len(list(place.iterdir())) < 3:
    time.sleep(0.02)
finish()
"""
COUNTS_ITSELF = """
place = out.parents[2] / "starts"
place.mkdir(exist_ok=True)
(place / f"{os.getpid()}-{time.time_ns()}").touch()
finish()
"""


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    with redis_client(redis_url) as client:
        yield client


def reconciler(context: WorkerContext, broker: redis.Redis, clock: Callable[[], float] = time.monotonic) -> Reconciler:
    return Reconciler(
        database=context.database, notifier=context.notifier, settings=context.settings, broker=broker, clock=clock
    )


def watch_for_a_lease(reconcile: Reconciler, clock: HandClock, context: WorkerContext) -> None:
    """Let the reconciler look until it has seen nothing move for the length of a lease."""
    for _ in range(5):
        reconcile.reconcile()
        clock.pass_by(context.settings.lease_s / 4)
    reconcile.reconcile()


def at_the_same_time(context: WorkerContext, threads: int) -> list[int]:
    """Answer so many notifications at once and return how many runs each of them supervised."""
    counts: list[int] = []
    start = threading.Barrier(threads)

    def answer() -> None:
        start.wait()
        counts.append(work_off_queue(context))

    bodies = [threading.Thread(target=answer) for _ in range(threads)]
    for body in bodies:
        body.start()
    for body in bodies:
        body.join(WAIT_S)
    assert not any(body.is_alive() for body in bodies)
    return counts


def test_as_many_runs_train_at_the_same_time_as_there_are_slots(floor: Floor) -> None:
    runs = floor.gnn_runs(3)
    context = floor.context(MEETS_TWO_OTHERS, result=gnn_result(), slots=3, lease_s=60.0)

    counts = at_the_same_time(context, 3)

    assert [floor.state(run_id) for run_id in runs] == [RunState.SUCCEEDED] * 3
    assert counts == [1, 1, 1]


def test_fifty_doubled_notifications_run_each_run_once(floor: Floor) -> None:
    runs = floor.gnn_runs(4)
    context = floor.context(COUNTS_ITSELF, result=gnn_result(), lease_s=60.0)

    counts = [*at_the_same_time(context, 5), *(work_off_queue(context) for _ in range(45))]

    assert sum(counts) == 4
    assert len(list((floor.folder / "artifacts" / "starts").iterdir())) == 4
    assert [(floor.run(run_id).state, floor.run(run_id).attempt) for run_id in runs] == [("succeeded", 1)] * 4


def test_a_notification_with_nothing_queued_starts_nothing(small_floor: Floor) -> None:
    context = small_floor.context("finish()")

    assert work_off_queue(context) == 0
    assert not (small_floor.folder / "artifacts").exists()


def test_a_draining_worker_claims_nothing_more(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("finish()")
    context.draining.set()

    assert work_off_queue(context) == 0
    assert small_floor.state(run_id) is RunState.QUEUED


def test_a_worker_leaves_other_queues_alone(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("finish()", queues=["gpu"])

    assert work_off_queue(context) == 0
    assert small_floor.state(run_id) is RunState.QUEUED


def test_a_lost_message_is_sent_again_but_not_at_every_look(small_floor: Floor, broker: redis.Redis) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("finish()", redispatch_after_s=600.0)
    reconcile = reconciler(context, broker)
    reconcile.reconcile()
    reconcile.reconcile()
    assert small_floor.notifier.notified == [run_id]

    with small_floor.database.begin() as session:
        session.execute(update(RunRow).values(dispatched_at=now_s() - 601))
    reconcile.reconcile()

    assert small_floor.notifier.notified == [run_id, run_id]


def test_after_a_flush_of_the_broker_every_queued_run_is_sent_again_once(
    small_floor: Floor, broker: redis.Redis
) -> None:
    runs = small_floor.gnn_runs(3)
    context = small_floor.context("finish()", redispatch_after_s=600.0)
    reconcile = reconciler(context, broker)
    reconcile.reconcile()
    reconcile.reconcile()
    assert sorted(small_floor.notifier.notified) == sorted(runs)

    broker.flushall()
    reconcile.reconcile()
    reconcile.reconcile()

    assert sorted(small_floor.notifier.notified) == sorted(runs * 2)


def test_without_a_broker_nothing_is_marked_as_notified(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context("finish()")

    with redis.Redis(unix_socket_path=str(small_floor.folder / "nobody.sock")) as nobody:
        reconciler(context, nobody).reconcile()

    with small_floor.database.begin() as session:
        assert due_for_dispatch(session, redispatch_after_s=600) == [(run_id, "cpu")]
    assert small_floor.notifier.notified == []


def test_the_run_of_a_lost_worker_is_queued_again_and_notified(floor: Floor, broker: redis.Redis) -> None:
    run_id = floor.prepare_run()
    context = floor.context("finish()")
    claim_as(floor.database, "lost", lease_s=context.settings.lease_s)
    clock = HandClock()
    reconcile = reconciler(context, broker, clock)
    reconcile.reconcile()
    assert floor.state(run_id) is RunState.STARTING

    watch_for_a_lease(reconcile, clock, context)

    run = floor.run(run_id)
    assert (run.state, run.recoveries, run.worker) == (RunState.QUEUED, 1, None)
    assert floor.notifier.notified == [run_id]
    assert work_off_queue(context) == 1
    assert floor.run(run_id).attempt == 2
    assert floor.state(run_id) is RunState.SUCCEEDED


def test_a_run_that_loses_every_worker_fails_and_so_does_its_data_set(small_floor: Floor, broker: redis.Redis) -> None:
    run_id = small_floor.prepare_run()
    context, clock = small_floor.context("finish()"), HandClock()
    reconcile = reconciler(context, broker, clock)

    for _ in range(1 + MAX_RECOVERIES):
        claim_as(small_floor.database, "lost", lease_s=context.settings.lease_s)
        watch_for_a_lease(reconcile, clock, context)

    run = small_floor.run(run_id)
    with small_floor.database.read() as session:
        (dataset,) = list_datasets(session)
    assert (run.state, run.failure_reason) == (RunState.FAILED, FailureReason.WORKER_LOST)
    assert dataset.state == DatasetState.FAILED
