"""Notify workers that the queue in SQL has work, by a Celery message whose content does not matter."""

from typing import Any, Protocol

import redis
import structlog
from celery import Celery
from kombu.exceptions import ChannelError, KombuError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.exc import SQLAlchemyError

from service.store.database import Database
from service.store.lifecycle import due_for_dispatch

TASK = "cellgate.notify"
# What release 0.1 sends; a worker of this release must understand an API of the one before.
TASK_OF_RELEASE_0_1 = "cellgate.doorbell"
# An unreachable broker, and one that refuses commands (out of memory, read-only).
BROKER_ERRORS = (KombuError, ChannelError, OSError)
log = structlog.get_logger(__name__)


class Notifier(Protocol):
    """Wakes workers."""

    def notify(self, run_id: str, queue: str) -> bool:
        """Wake a worker of the queue; return False, without an error, on failure: the reconciler notifies again."""
        ...

    def is_reachable(self) -> bool:
        """Return whether the broker is reachable."""
        ...


def notify_waiting_runs(database: Database, notifier: Notifier) -> None:
    """Send a notification for every queued run that has none yet; the reconciler repeats lost ones."""
    try:
        with database.begin() as session:
            due = due_for_dispatch(session)
    except SQLAlchemyError as error:
        # The caller's work is committed: an error here must not hide that.
        log.warning("notifications_not_sent", error=str(error))
        return
    for run_id, queue in due:
        if not notifier.notify(run_id, queue):
            return  # The broker is unreachable for the other runs too: fail once, not once per run.


def celery_app(redis_url: str) -> Celery:
    """Return a Celery app with Cellgate's settings; nothing is connected yet.

    Args:
        redis_url: `redis://…`, or `redis+socket://PATH?virtual_host=0` for a Unix socket.
    """
    app = Celery("cellgate", broker=redis_url, set_as_current=False)
    app.conf.update(
        # Results and retries are in SQL; a message may arrive twice or never without harm.
        task_acks_late=True,
        task_ignore_result=True,
        task_reject_on_worker_lost=False,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 86_400,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
    )
    return app


def redis_client_url(redis_url: str) -> str:
    """Return the URL in redis-py's form: Celery and redis-py name Unix sockets differently."""
    if redis_url.startswith("redis+socket://"):
        path, _, _ = redis_url.removeprefix("redis+socket://").partition("?")
        return f"unix://{path}"
    return redis_url


def redis_client(redis_url: str) -> redis.Redis:
    """Return a client that tries once: callers want to know at once that the broker is unreachable."""
    once = Retry(NoBackoff(), retries=0)
    url = redis_client_url(redis_url)
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, retry=once)


class CeleryNotifier:
    """Notifies workers through Celery."""

    def __init__(self, redis_url: str) -> None:
        self._app: Any = celery_app(redis_url)
        self._client = redis_client(redis_url)

    def notify(self, run_id: str, queue: str) -> bool:
        """Send the message; return False if the broker is unreachable."""
        if not self.is_reachable():
            # A ping first, which takes a third of a millisecond: Celery would go on trying for seconds.
            log.warning("notification_not_sent", run=run_id, queue=queue, error="the broker is unreachable")
            return False
        try:
            self._app.send_task(TASK, kwargs={"run_id": run_id}, queue=queue, retry=False)
        except BROKER_ERRORS as error:
            log.warning("notification_not_sent", run=run_id, queue=queue, error=str(error))
            return False
        return True

    def is_reachable(self) -> bool:
        """Return whether the broker is reachable."""
        try:
            return bool(self._client.ping())
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
        self._client.close()
