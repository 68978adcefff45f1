"""What `python -m worker` runs: a worker, or a reconciler with the webhook sender."""

import os
import signal
import socket
import threading
from typing import Literal

from sqlalchemy.exc import DBAPIError

from cellgate.contract.exit_codes import UnusableError, UsageError
from service.broker.connections import redis_client
from service.broker.notify import CeleryNotifier
from service.folder_check import check_folders
from service.settings import Settings, load_settings
from service.store.database import Database, schema_fault
from service.store.database_faults import advice_for
from service.supervision import Supervision
from service.telemetry.logs import set_up_logging
from worker.app import run_worker
from worker.housekeeping import Housekeeper
from worker.pulse import Pulse
from worker.reconciler import Reconciler
from worker.webhook_sender import WebhookSender

HOUSEKEEPER_JOIN_S = 5.0


class BadSettings(Exception):
    """A setting is wrong or missing; the message names it."""


class OldSchema(Exception):
    """The database's schema is not the one of this release; the message names the remedy."""


class Unusable(Exception):
    """The database is away, full or damaged, or a folder cannot be written to; the message says what to do."""


def run_role(role: Literal["run", "reconciler"]) -> None:
    """Run a worker or a reconciler until SIGTERM.

    Raises:
        BadSettings: A setting is wrong, or the broker's is missing.
        OldSchema: The database has another schema.
        Unusable: The database or a folder cannot be used.
    """
    try:
        settings = load_settings()
    except UsageError as error:
        raise BadSettings(str(error)) from error
    if settings.redis_url is None:
        raise BadSettings("CELLGATE_REDIS_URL is not set: name the broker (`cellgate up` starts its own)")
    set_up_logging(settings.log_format)
    try:
        check_folders(settings)
        if fault := _schema_fault(settings):
            raise OldSchema(fault)
        if role == "run":
            run_worker(settings, settings.redis_url)
        else:
            _reconcile(settings, settings.redis_url)
    except UnusableError as error:
        raise Unusable(str(error)) from error
    except DBAPIError as error:
        raise Unusable(f"database: {advice_for(error)}") from error


def _schema_fault(settings: Settings) -> str | None:
    database = Database(settings.database)
    try:
        return schema_fault(database)
    finally:
        database.dispose()


def _reconcile(settings: Settings, redis_url: str) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = Database(settings.database, silence_s=settings.database_silence_s)
    notifier = CeleryNotifier(redis_url)
    broker = redis_client(redis_url)
    supervision = Supervision("reconciler", database)
    sender = WebhookSender(database=database, settings=settings)
    webhook_sender = supervision.thread("webhook-sender", lambda: sender.run(stop), stop)
    keeper = Housekeeper(database=database, settings=settings)
    housekeeper = supervision.thread("housekeeper", lambda: keeper.run(stop), stop)
    pulse = Pulse(
        settings.data_dir,
        role="reconciler",
        process_id=f"{socket.gethostname()}:{os.getpid()}",
        every_s=settings.reconcile_every_s,
    )
    reconciler = Reconciler(
        database=database,
        notifier=notifier,
        settings=settings,
        broker=broker,
        on_round=lambda reached_at: pulse.write(database_at=reached_at),
        supervision=supervision,
    )
    try:
        supervision.run("reconciler", lambda: reconciler.run(stop), stop)
    finally:
        stop.set()
        webhook_sender.join()
        # What it does in pieces goes on where it was; a measurement or a large removal is not waited for.
        housekeeper.join(HOUSEKEEPER_JOIN_S)
        pulse.remove()
        broker.close()
        notifier.close()
        database.dispose()
