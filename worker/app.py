"""The worker process: Celery listens for the doorbell, threads supervise trainers. The composition root."""

import os
import socket
import threading
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_ready, worker_shutting_down
from structlog.contextvars import bound_contextvars

from service.broker.notify import TASK, Doorbell, celery_app
from service.settings import Settings
from service.store.database import Database
from service.store.workers import beat, register_worker, retire_worker
from worker.claim_loop import answer_doorbell
from worker.context import UNREACHABLE, House
from worker.devices import find_devices
from worker.fork_server import ForkServer
from worker.start import trainer_environment

HEARTBEAT_S = 5.0
log = structlog.get_logger(__name__)


def run_worker(settings: Settings, redis_url: str) -> bool:
    """Serve the settings' queues until SIGTERM; runs under way are then checkpointed and given back.

    Returns:
        Whether it ended because it was asked to: Celery also ends, without raising, on what it cannot read.

    Raises:
        sqlalchemy.exc.OperationalError: The database cannot be reached at the start.
    """
    database = Database(settings.database)
    fork_server = ForkServer() if settings.warm_start else None
    house = House(
        database=database,
        bell=Doorbell(redis_url),
        settings=settings,
        worker_id=f"{socket.gethostname()}:{os.getpid()}",
        draining=threading.Event(),
        devices=find_devices(settings),
        fork_server=fork_server,
    )
    if fork_server is not None:
        fork_server.start(trainer_environment(threads=1))
    with database.begin() as session:
        register_worker(session, worker_id=house.worker_id, queues=settings.queues, slots=house.slots)
    heart = threading.Thread(target=_beat, args=(house,), name="heartbeat", daemon=True)
    heart.start()
    # Its types say that worker_main never returns; it does.
    celery: Any = _celery(house, redis_url)
    try:
        celery.worker_main(_arguments(house))
        return house.draining.is_set()
    finally:
        house.draining.set()
        heart.join(HEARTBEAT_S)
        with database.begin() as session:
            retire_worker(session, worker_id=house.worker_id)
        database.dispose()
        if fork_server is not None:
            fork_server.close()


def _celery(house: House, redis_url: str) -> Celery:
    app = celery_app(redis_url)

    # Whatever the message says: it wakes, and SQL alone says what for.
    def doorbell(*_: Any, **said: Any) -> None:
        with bound_contextvars(worker=house.worker_id):
            log.debug("doorbell", run=said.get("run_id"))
            answer_doorbell(house)

    def drain(**_: Any) -> None:
        house.draining.set()

    def look_once(**_: Any) -> None:
        # What was rung for while no worker was there.
        threading.Thread(target=_fill_slots, args=(house, app), daemon=True).start()

    def log_as_we_do(**_: Any) -> None:
        # Being connected is enough: Celery leaves the logs alone then.
        pass

    app.task(name=TASK)(doorbell)
    setup_logging.connect(log_as_we_do, weak=False)
    worker_shutting_down.connect(drain, weak=False)
    worker_ready.connect(look_once, weak=False)
    return app


def _fill_slots(house: House, app: Celery) -> None:
    for _ in range(house.slots):
        app.send_task(TASK, kwargs={"run_id": ""}, queue=house.settings.queues[0], retry=False)


def _arguments(house: House) -> list[str]:
    """Return Celery's command line.

    Threads, not processes: a supervisor only waits, and CUDA does not survive a fork. Gossip and mingle serve
    clusters that talk to one another; ours talk through SQL.
    """
    settings = house.settings
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        f"--concurrency={house.slots}",
        f"--queues={','.join(settings.queues)}",
        f"--hostname={house.worker_id.replace(':', '-')}@%h",
        "--without-gossip",
        "--without-mingle",
    ]


def _beat(house: House) -> None:
    while not house.draining.wait(HEARTBEAT_S):
        try:
            with house.database.begin() as session:
                if not beat(session, worker_id=house.worker_id):
                    queues, slots = house.settings.queues, house.slots
                    register_worker(session, worker_id=house.worker_id, queues=queues, slots=slots)
        except UNREACHABLE as error:
            log.warning("heartbeat_not_written", worker=house.worker_id, error=str(error.orig))
