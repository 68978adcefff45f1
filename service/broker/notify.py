"""Notify workers that the queue in SQL has work, by a Celery message whose content does not matter."""

import threading
import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Protocol

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.broker.connections import celery_app, redis_client
from service.store.database import Database
from service.store.dispatch import due_for_dispatch

TASK = "cellgate.notify"
# What release 0.1 sends; a worker of this release must understand an API of the one before.
TASK_OF_RELEASE_0_1 = "cellgate.doorbell"
# Written and left to expire: a broker that is full or read-only answers a PING as if nothing were wrong.
PROBE_KEY = "cellgate:probe"
PROBE_EXPIRES_S = 60
KEPT_S = 1.0
# A failure that took so long is a link or a server that hangs: nobody else should wait for it as well.
SLOW_S = 0.5
RETRY_AFTER_S = 5.0
log = structlog.get_logger(__name__)


class Notifier(Protocol):
    """Wakes workers."""

    def notify(self, run_id: str, queue: str) -> bool:
        """Wake a worker of the queue; return False, without an error, on failure: workers also look for themselves."""
        ...

    def problem(self) -> str | None:
        """Return why no notification can be sent now; None if one can."""
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
    notify_of(due, notifier)


def notify_of(due: Iterable[tuple[str, str]], notifier: Notifier) -> None:
    """Send a notification for each of these (run, queue), which are marked as notified of."""
    for run_id, queue in due:
        if not notifier.notify(run_id, queue):
            return  # The broker is unreachable for the other runs too: fail once, not once per run.


class CeleryNotifier:
    """Notifies workers through Celery.

    Args:
        redis_url: Of the broker, in any form of `service.domain.broker_url`.

    Raises:
        InvalidBrokerUrl: It names no broker.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._client = redis_client(redis_url)
        self._lock = threading.Lock()
        self._problem: str | None = None
        self._probe_after = 0.0
        self._send_after = 0.0

    def notify(self, run_id: str, queue: str) -> bool:
        """Send the message; return False if the broker cannot take it, at once where it has just hung."""
        if time.monotonic() < self._send_after:
            return False
        begun = time.monotonic()
        try:
            # A ping first, which takes a third of a millisecond: Celery would go on trying for seconds.
            self._client.ping()
            self._send(run_id, queue)
        except broker_errors() as error:
            if time.monotonic() - begun > SLOW_S:
                self._send_after = time.monotonic() + RETRY_AFTER_S
            log.warning("notification_not_sent", run=run_id, queue=queue, error=problem_of(error))
            return False
        return True

    def problem(self) -> str | None:
        """Return why no notification can be sent now, None if one can; at most one probe a second."""
        with self._lock:
            if time.monotonic() >= self._probe_after:
                self._problem = self._probe()
                self._probe_after = time.monotonic() + KEPT_S
            return self._problem

    def close(self) -> None:
        """Close the connections."""
        if "_app" in vars(self):
            self._app.close()
        self._client.close()

    @cached_property
    def _app(self) -> Any:
        # Made with the first message: it takes longer to import than an API to start.
        return celery_app(self._redis_url)

    def _send(self, run_id: str, queue: str) -> None:
        message = {"kwargs": {"run_id": run_id}, "queue": queue, "retry": False}
        try:
            self._app.send_task(TASK, **message)
        except broker_errors():
            # After a failover or a restart the pooled connection is a dead one: the error has closed it.
            self._app.send_task(TASK, **message)

    def _probe(self) -> str | None:
        try:
            self._client.set(PROBE_KEY, "1", ex=PROBE_EXPIRES_S)
        except broker_errors() as error:
            return problem_of(error)
        return None


def broker_errors() -> tuple[type[Exception], ...]:
    """Return the errors of an unreachable broker, and of one that refuses commands (out of memory, read-only)."""
    return (*_wrappers(), redis.RedisError, OSError)


def _wrappers() -> tuple[type[Exception], ...]:
    """Return Celery's errors, which wrap the client's own; imported with the first error, not at each start."""
    from kombu.exceptions import ChannelError, KombuError

    return KombuError, ChannelError


def problem_of(error: BaseException) -> str:
    """Return what is wrong with the broker, in words that hold no address and no password."""
    found = _root(error)
    for kind, mark, meaning in PROBLEMS:
        if isinstance(found, kind) and mark in str(found):
            return meaning
    return f"it fails with {type(found).__name__}"


def is_of_broker(error: BaseException) -> bool:
    """Return whether the broker, or the way to it, caused an error."""
    return isinstance(_root(error), broker_errors())


# The first that fits: a kind of error, and what its text holds where the kind alone does not tell.
PROBLEMS: tuple[tuple[type[Exception], str, str], ...] = (
    (redis.OutOfMemoryError, "", "its memory is full: raise its maxmemory"),
    (redis.ReadOnlyError, "", "it is a read-only replica: name its master, or use a Sentinel URL"),
    (redis.exceptions.NoPermissionError, "", "its ACL refuses the user of CELLGATE_REDIS_URL a command or a key"),
    (redis.exceptions.BusyLoadingError, "", "it is still loading its data"),
    (redis.AuthenticationError, "already authenticated", "it wants a password, and CELLGATE_REDIS_URL has none"),
    (redis.AuthenticationError, "required", "it wants a password, and CELLGATE_REDIS_URL has none"),
    (redis.AuthenticationError, "", "it refuses the user or password of CELLGATE_REDIS_URL"),
    (redis.ResponseError, "MISCONF", "it cannot save to its disk and refuses writes"),
    (redis.ResponseError, "MASTERDOWN", "it is a replica that has lost its master"),
    (redis.ResponseError, "UNBLOCKED", "its role has changed"),
    (redis.sentinel.MasterNotFoundError, "", "no Sentinel names a master that answers"),
    (redis.ConnectionError, "CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted: name the CA by ssl_ca_certs"),
    (redis.TimeoutError, "", "it does not answer in time"),
    (TimeoutError, "", "it does not answer in time"),
    (redis.ConnectionError, "", "it does not answer"),
    (OSError, "", "it does not answer"),
    (ValueError, "", "a message in its queues is none of Celery's"),
)


def _root(error: BaseException) -> BaseException:
    """Return the client's own error: Celery wraps it once."""
    inner = error.__cause__ or error.__context__
    if isinstance(error, _wrappers()) and inner is not None:
        return inner
    return error
