"""`cellgate run-worker` serves queues; `cellgate run-reconciler` recovers lost runs and sends webhooks."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from cellgate.contract.exit_codes import UsageError
from service.broker.notify import CeleryNotifier, redis_client
from service.settings import Settings, load_settings
from service.store.database import Database, schema_is_current
from service.supervision import Supervision
from service.telemetry.logs import set_up_logging
from worker.app import run_worker
from worker.reconciler import Reconciler
from worker.webhook_sender import WebhookSender

ENDED_BY_ITSELF = 1
BAD_SETTINGS = 2
OLD_SCHEMA = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker or a reconciler until SIGTERM and return the exit code.

    0: it was stopped by a signal. 1: the worker ended by itself. 2: a setting is wrong. 3: the database has another
    schema.

    Raises:
        sqlalchemy.exc.OperationalError: The database cannot be reached at start-up.
    """
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument("role", nargs="?", choices=["run", "reconciler"], default="run")
    role = parser.parse_args(arguments).role
    try:
        settings = load_settings()
    except UsageError as error:
        print(f"settings: {error}", file=sys.stderr)
        return BAD_SETTINGS
    if settings.redis_url is None:
        print(
            "settings: CELLGATE_REDIS_URL is not set: name the broker (`cellgate up` starts its own)", file=sys.stderr
        )
        return BAD_SETTINGS
    set_up_logging(settings.log_format)
    if not _schema_is_current(settings):
        print("database: its schema is not that of this release: run `cellgate migrate`", file=sys.stderr)
        return OLD_SCHEMA
    if role == "run":
        return 0 if run_worker(settings, settings.redis_url) else ENDED_BY_ITSELF
    _reconcile(settings, settings.redis_url)
    return 0


def _schema_is_current(settings: Settings) -> bool:
    database = Database(settings.database)
    try:
        return schema_is_current(database)
    finally:
        database.dispose()


def _reconcile(settings: Settings, redis_url: str) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = Database(settings.database)
    notifier = CeleryNotifier(redis_url)
    broker = redis_client(redis_url)
    supervision = Supervision("reconciler", database)
    sender = WebhookSender(database=database, settings=settings)
    webhook_sender = supervision.thread("webhook-sender", lambda: sender.run(stop), stop)
    reconciler = Reconciler(
        database=database, notifier=notifier, settings=settings, broker=broker, supervision=supervision
    )
    try:
        supervision.run("reconciler", lambda: reconciler.run(stop), stop)
    finally:
        stop.set()
        webhook_sender.join()
        broker.close()
        notifier.close()
        database.dispose()


if __name__ == "__main__":
    sys.exit(main())
