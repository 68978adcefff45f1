"""The worker process: Celery receives notifications, threads supervise trainers. The composition root."""

import os
import socket
import threading
from dataclasses import replace
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutting_down
from structlog.contextvars import bound_contextvars

from service.broker.notify import TASK, TASK_OF_RELEASE_0_1, CeleryNotifier, celery_app
from service.settings import Settings
from service.store.database import Database
from service.store.workers import record_heartbeat, register_new_worker, register_worker, retire_worker
from service.supervision import Supervision
from worker.claim_loop import work_off_queue
from worker.context import UNREACHABLE, WorkerContext
from worker.devices import find_devices
from worker.fork_server import ForkServerProcess
from worker.start import trainer_environment

HEARTBEAT_S = 5.0
log = structlog.get_logger(__name__)


def run_worker(settings: Settings, redis_url: str) -> bool:
    """Serve the settings' queues until SIGTERM; runs under way are then checkpointed and released.

    Args:
        settings: Of this worker.
        redis_url: Of the broker.

    Returns:
        Whether a signal ended it: Celery also ends, without raising, on input that it cannot parse.

    Raises:
        sqlalchemy.exc.OperationalError: The database cannot be reached at start-up.
    """
    database = Database(settings.database)
    fork_server = ForkServerProcess() if settings.warm_start else None
    context = WorkerContext(
        database=database,
        notifier=CeleryNotifier(redis_url),
        settings=settings,
        worker_id=f"{socket.gethostname()}:{os.getpid()}",
        draining=threading.Event(),
        devices=find_devices(settings),
        fork_server=fork_server,
    )
    if fork_server is not None:
        fork_server.start(trainer_environment(threads=1))
    with database.begin() as session:
        worker_id = register_new_worker(session, wanted=context.worker_id, queues=settings.queues, slots=context.slots)
    context = replace(context, worker_id=worker_id)
    supervision = Supervision("worker", database)
    heartbeat = supervision.thread("heartbeat", lambda: _send_heartbeats(context), context.draining)
    # Its annotation is that worker_main never returns; it does.
    celery: Any = _celery(context, redis_url)
    try:
        celery.worker_main(_arguments(context))
        return context.draining.is_set()
    finally:
        context.draining.set()
        heartbeat.join(HEARTBEAT_S)
        with database.begin() as session:
            retire_worker(session, worker_id=context.worker_id)
        database.dispose()
        if fork_server is not None:
            fork_server.close()


def _celery(context: WorkerContext, redis_url: str) -> Celery:
    app = celery_app(redis_url)

    # The message's content is not trusted: the worker claims the next run in SQL.
    def on_notification(*_: Any, **message: Any) -> None:
        with bound_contextvars(worker=context.worker_id):
            log.debug("notification", run=message.get("run_id"))
            work_off_queue(context)

    def drain(**_: Any) -> None:
        context.draining.set()

    def claim_at_start(**_: Any) -> None:
        # Runs whose notification was sent while no worker was running.
        threading.Thread(target=_fill_slots, args=(context, app), daemon=True).start()

    def keep_logging(**_: Any) -> None:
        # Celery configures logging unless a handler is connected; an empty one is enough.
        pass

    for name in (TASK, TASK_OF_RELEASE_0_1):
        app.task(name=name)(on_notification)
    setup_logging.connect(keep_logging, weak=False)
    worker_shutting_down.connect(drain, weak=False)
    worker_ready.connect(claim_at_start, weak=False)
    return app


def _fill_slots(context: WorkerContext, app: Celery) -> None:
    for _ in range(context.slots):
        app.send_task(TASK, kwargs={"run_id": ""}, queue=context.settings.queues[0], retry=False)


def _arguments(context: WorkerContext) -> list[str]:
    """Return Celery's command line.

    Threads, not processes: a supervisor only waits, and CUDA does not survive a fork. Gossip and mingle let
    workers talk to one another; ours share state in SQL.
    """
    settings = context.settings
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        f"--concurrency={context.slots}",
        f"--queues={','.join(settings.queues)}",
        f"--hostname={context.worker_id.replace(':', '-')}@%h",
        "--without-gossip",
        "--without-mingle",
    ]


def _send_heartbeats(context: WorkerContext) -> None:
    while not context.draining.wait(HEARTBEAT_S):
        try:
            with context.database.begin() as session:
                if not record_heartbeat(session, worker_id=context.worker_id):
                    queues, slots = context.settings.queues, context.slots
                    register_worker(session, worker_id=context.worker_id, queues=queues, slots=slots)
        except UNREACHABLE as error:
            log.warning("heartbeat_not_written", worker=context.worker_id, error=str(error))
