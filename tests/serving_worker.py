"""A whole worker in the test's own process: consumer, heartbeat and slots, with stand-ins for trainers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from service.broker.notify import CeleryNotifier
from service.store.workers import get_worker, register_worker
from tests.worker_harness import WAIT_S, Floor, until
from worker.app import serve
from worker.context import WorkerContext


@contextmanager
def serving(context: WorkerContext, redis_url: str) -> Iterator[CeleryNotifier]:
    """Yield a notifier of the worker's broker while the worker serves; it has drained when the block has ended.

    Args:
        context: Of the worker.
        redis_url: Of the broker, as the worker reaches it.
    """
    notifier = CeleryNotifier(redis_url)
    with context.database.begin() as session:
        register_worker(session, worker_id=context.worker_id, queues=context.settings.queues, slots=context.slots)
    working = replace(context, notifier=notifier)
    thread = threading.Thread(target=serve, args=(working, redis_url))
    thread.start()
    try:
        yield notifier
    finally:
        context.draining.set()
        thread.join(WAIT_S)
        notifier.close()
    if thread.is_alive():
        raise RuntimeError(f"the worker has not drained within {WAIT_S:g} s")


def until_listening(floor: Floor, worker_id: str = "worker-1", *, listening: bool = True) -> None:
    """Wait until a worker tells that it hears notifications, or that it does not."""

    def told() -> bool:
        with floor.database.read() as session:
            return get_worker(session, worker_id).listening is listening

    until(told, f"the worker tells that listening is {listening}")
