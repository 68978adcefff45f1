"""A pool without a free connection is an outage like any other: what waits for it tries again."""

import time
from contextlib import ExitStack, suppress

from sqlalchemy.exc import TimeoutError

from cellgate.contract.states import RunState
from service.store.database import Database
from service.store.workers import list_workers, register_worker
from service.supervision import Supervision
from tests import worker_harness
from tests.worker_harness import Floor, until
from worker.heartbeat import Heartbeat
from worker.slots import Slots

WORKS_ON = 'say("phase", phase="train")\ntime.sleep(2)\nfinish()'


def exhausted(database: Database) -> ExitStack:
    """Take every connection of the pool; whoever asks for one waits for a tenth of a second in vain."""
    engine = database._engine
    engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    held = ExitStack()
    with suppress(TimeoutError):
        for _ in range(1000):
            held.enter_context(engine.connect())
    return held


def test_a_run_outlives_a_moment_without_a_connection(small_floor: Floor) -> None:
    run_id = small_floor.prepare_run()
    context = small_floor.context(WORKS_ON, lease_s=4.0)
    with worker_harness.Supervision(context, small_floor.claim(context)):
        until(lambda: small_floor.state(run_id) is RunState.RUNNING, "the run is at work")
        with exhausted(small_floor.database):
            time.sleep(1.2)

    run = small_floor.run(run_id)
    assert (run.state, run.attempt, run.recoveries) == (RunState.SUCCEEDED, 1, 0)
    assert run.running_s is not None
    assert run.running_s > 1.2


def test_a_heart_goes_on_beating_after_a_moment_without_a_connection(small_floor: Floor) -> None:
    context = small_floor.context("", heartbeat_s=0.05)
    with small_floor.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu"], slots=1)

    def beats() -> float:
        with small_floor.database.read() as session:
            return list_workers(session)[0].heartbeat_at

    heartbeat = Heartbeat(context, Slots(context), Supervision("worker"))
    before = beats()
    try:
        with exhausted(small_floor.database):
            heartbeat.start()
            time.sleep(0.4)
        until(lambda: beats() > before, "the heart beats")
    finally:
        context.draining.set()
        heartbeat.join()
