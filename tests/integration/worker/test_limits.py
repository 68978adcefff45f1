"""A run's own time limits, enforced by supervisor and reconciler."""

import redis
from sqlalchemy import update

from service.store.datasets import list_datasets
from service.store.lifecycle import release
from service.store.tables import AttemptRow, JobRow, RunRow
from tests.worker_harness import Floor
from worker.attempt import supervise
from worker.reconciler import Reconciler

FOREVER = 'signal.signal(signal.SIGTERM, lambda *_: sys.exit(8))\nsay("phase", phase="train")\ntime.sleep(600)'


def limit(small_floor: Floor, **limits: float) -> str:
    """Return the id of a queued run with these limits."""
    run_id = small_floor.prepare_run()
    with small_floor.database.begin() as session:
        session.execute(update(JobRow).values(**limits))
    return run_id


def test_the_attempts_of_a_run_together_keep_to_its_limit(small_floor: Floor) -> None:
    # given a run of 100 s whose first attempt has used up all but half a second
    run_id = limit(small_floor, timeout_s=100.0)
    context = small_floor.context(FOREVER, run_timeout_s=500)
    small_floor.claim(context)
    with small_floor.database.begin() as session:
        release(session, run_id=run_id, attempt=1, why="draining")
        session.execute(update(AttemptRow).values(duration_s=99.5))

    supervise(context, small_floor.claim(context))

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason, run.attempt) == ("failed", "timeout", 2)
    assert run.failure_detail == "the run took longer than its timeout_s, 100 s over all of its attempts"


def test_the_deployments_limit_holds_where_it_is_the_shorter_one(small_floor: Floor) -> None:
    run_id = limit(small_floor, timeout_s=100.0)

    context = small_floor.context(FOREVER, run_timeout_s=0.5)
    supervise(context, small_floor.claim(context))

    assert small_floor.run(run_id).failure_detail == "the attempt took longer than run_timeout_s, 0.5 s"


def test_the_reconciler_ends_what_waited_too_long_and_moves_on_what_waited_for_it(
    small_floor: Floor, redis_url: str
) -> None:
    run_id = limit(small_floor, queue_timeout_s=100.0)
    with small_floor.database.begin() as session:
        session.execute(update(RunRow).values(queued_uptime_s=-101.0))
    context = small_floor.context("")
    with redis.Redis.from_url(redis_url) as broker:
        reconciler = Reconciler(
            database=context.database, notifier=context.notifier, settings=context.settings, broker=broker
        )
        reconciler.reconcile()
        reconciler.reconcile()

    run = small_floor.run(run_id)
    assert (run.state, run.failure_reason) == ("failed", "queue_timeout")
    with small_floor.database.read() as session:
        assert list_datasets(session)[0].state == "failed"
