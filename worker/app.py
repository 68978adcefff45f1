"""The worker process: notifications and heartbeats find runs, slots work them off. The composition root."""

import os
import signal
import socket
import threading
from dataclasses import replace

from service.broker.notify import CeleryNotifier
from service.settings import Settings
from service.store.database import Database
from service.store.workers import retire_worker
from service.supervision import Supervision
from worker.consumer import NotificationConsumer
from worker.context import WorkerContext
from worker.devices import find_devices
from worker.fork_server import ForkServerProcess
from worker.heartbeat import Heartbeat, register_new
from worker.pulse import Pulse
from worker.slots import Slots
from worker.start import trainer_environment

NOT_CONNECTED = "its consumer is not connected"


def run_worker(settings: Settings, redis_url: str) -> None:
    """Serve the settings' queues until SIGTERM; runs under way are then checkpointed and released.

    Args:
        settings: Of this worker.
        redis_url: Of the broker.

    Raises:
        sqlalchemy.exc.OperationalError: The database cannot be reached at start-up.
    """
    draining = threading.Event()
    _drain_on_signals(draining)
    context = WorkerContext(
        database=Database(settings.database, silence_s=settings.database_silence_s),
        notifier=CeleryNotifier(redis_url),
        settings=settings,
        worker_id=f"{socket.gethostname()}:{os.getpid()}",
        draining=draining,
        devices=find_devices(settings),
        fork_server=ForkServerProcess() if settings.warm_start else None,
    )
    try:
        _keep_fork_server(context)
        with context.database.begin() as session:
            context = replace(context, worker_id=register_new(session, context))
        serve(context, redis_url)
        with context.database.begin() as session:
            retire_worker(session, worker_id=context.worker_id)
    finally:
        context.database.dispose()
        if context.fork_server is not None:
            context.fork_server.close()


def _drain_on_signals(draining: threading.Event) -> None:
    def on_signal(_number: int, _frame: object) -> None:
        draining.set()
        # A second Ctrl-C does not wait for checkpoints.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def serve(context: WorkerContext, redis_url: str) -> None:
    """Find runs and work them off until `context.draining` is set and every slot is free.

    Args:
        context: Of a registered worker.
        redis_url: Of the broker.
    """
    slots = Slots(context)
    supervision = Supervision("worker", context.database)
    consumer = NotificationConsumer(context, redis_url, slots.on_notification, supervision)
    heartbeat = Heartbeat(context, slots, supervision)
    settings = context.settings
    pulse = Pulse(settings.data_dir, role="worker", process_id=context.worker_id, every_s=settings.heartbeat_s)
    heartbeat.start()
    consumer.start()
    consumer.wait_until_connected()
    try:
        while True:
            broker = context.notifier.problem() or (None if consumer.connected else NOT_CONNECTED)
            heartbeat.listening = broker is None
            pulse.write(database_at=heartbeat.written_at, fork_server=_keep_fork_server(context), broker=broker)
            if context.draining.wait(settings.heartbeat_s):
                return
    finally:
        context.draining.set()
        # First: a message that it took now would start nothing here, and wake no other worker.
        consumer.join()
        slots.join()
        heartbeat.join()
        pulse.remove()


def _keep_fork_server(context: WorkerContext) -> bool | None:
    """Start the fork server unless it lives; return whether it does, None for a worker without one."""
    if context.fork_server is None:
        return None
    context.fork_server.start(trainer_environment(threads=1))
    return context.fork_server.alive
