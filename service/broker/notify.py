"""The doorbell: a Celery message that says no more than "look into the queue". The only contract with the workers."""

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

TASK = "cellgate.doorbell"
# A broker that is away, and one that is there but refuses (out of memory, read-only).
BROKER_ERRORS = (KombuError, ChannelError, OSError)
log = structlog.get_logger(__name__)


class Bell(Protocol):
    """Something that can wake a worker."""

    def ring(self, run_id: str, queue: str) -> bool:
        """Wake a worker of the queue; False, and no error, when that did not work: the reconciler rings again."""
        ...

    def answers(self) -> bool:
        """Whether the broker can be reached."""
        ...


def ring_for_waiting(database: Database, bell: Bell) -> None:
    """Ring for every queued run that was not rung for yet; what fails or is lost is rung again by the reconciler."""
    try:
        with database.begin() as session:
            due = due_for_dispatch(session)
    except SQLAlchemyError as error:
        # What the caller has done is committed: it must not be told otherwise.
        log.warning("not_rung", error=str(error))
        return
    for run_id, queue in due:
        if not bell.ring(run_id, queue):
            return  # A broker that is away is away for the others too: nobody waits for that once per run.


def celery_app(redis_url: str) -> Celery:
    """Return a Celery app with this house's settings; nothing is connected yet.

    Args:
        redis_url: `redis://…`, or `redis+socket://PATH?virtual_host=0` for a Unix socket.
    """
    app = Celery("cellgate", broker=redis_url, set_as_current=False)
    app.conf.update(
        # SQL holds the result and the retries; a message may come twice or never without harm.
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
    """Return the URL as redis-py wants it: Celery and redis-py name Unix sockets differently."""
    if redis_url.startswith("redis+socket://"):
        path, _, _ = redis_url.removeprefix("redis+socket://").partition("?")
        return f"unix://{path}"
    return redis_url


def redis_client(redis_url: str) -> redis.Redis:
    """Return a client that tries once: whoever asks a broker that is away wants to know it now."""
    once = Retry(NoBackoff(), retries=0)
    url = redis_client_url(redis_url)
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, retry=once)


class Doorbell:
    """Rings through Celery."""

    def __init__(self, redis_url: str) -> None:
        self._app: Any = celery_app(redis_url)
        self._client = redis_client(redis_url)

    def ring(self, run_id: str, queue: str) -> bool:
        """Send the message; False when the broker cannot be reached."""
        if not self.answers():
            # Asked first, for a third of a millisecond: Celery would go on trying for seconds.
            log.warning("doorbell_not_rung", run=run_id, queue=queue, error="the broker does not answer")
            return False
        try:
            self._app.send_task(TASK, kwargs={"run_id": run_id}, queue=queue, retry=False)
        except BROKER_ERRORS as error:
            log.warning("doorbell_not_rung", run=run_id, queue=queue, error=str(error))
            return False
        return True

    def answers(self) -> bool:
        """Whether the broker can be reached."""
        try:
            return bool(self._client.ping())
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
        self._client.close()
