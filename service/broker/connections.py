"""Connections to the broker: Celery's and redis-py's, from one URL and with the same limits of time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from service.domain.broker_url import BrokerUrl, parse_broker_url

if TYPE_CHECKING:
    from celery import Celery

# A link can be cut without a word: without limits, one command would wait for a quarter of an hour.
SOCKET_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 2.0
# A BRPOP whose answer is overdue by this much is given up, and the link with it.
OVERDUE_S = 5.0


def celery_app(redis_url: str) -> "Celery":
    """Return a Celery app with Cellgate's settings; nothing is connected yet.

    Args:
        redis_url: In any form of `service.domain.broker_url`.

    Raises:
        InvalidBrokerUrl: It names no broker.
    """
    # A tenth of the start of a process, most of which send their first message later.
    from celery import Celery

    broker = parse_broker_url(redis_url)
    app = Celery("cellgate", broker=_celery_url(broker), set_as_current=False)
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
        # Workers are asked through SQL; one subscription less that can break.
        worker_enable_remote_control=False,
        # The consumer ends with its connection, and the worker starts another one: one place decides when.
        broker_connection_retry=False,
        broker_connection_retry_on_startup=False,
        broker_use_ssl=dict(broker.tls) if broker.tls is not None else None,
        broker_transport_options={
            "visibility_timeout": 86_400,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": OVERDUE_S,
            **_sentinel_options(broker),
        },
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
    )
    return app


def redis_client(redis_url: str) -> redis.Redis:
    """Return a client that tries once: callers want to know at once that the broker is unreachable.

    Raises:
        InvalidBrokerUrl: The URL names no broker.
    """
    broker = parse_broker_url(redis_url)
    options: dict[str, Any] = {
        "db": broker.database,
        "username": broker.username,
        "password": broker.password,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "retry": Retry(NoBackoff(), retries=0),
    }
    if broker.socket is not None:
        return redis.Redis(unix_socket_path=broker.socket, **options)
    options |= {"socket_connect_timeout": CONNECT_TIMEOUT_S, **_redis_tls(broker)}
    if broker.master is None:
        [(host, port)] = broker.hosts
        return redis.Redis(host=host, port=port, **options)
    # Its annotations are missing.
    sentinels: Any = Sentinel
    known = sentinels(broker.hosts, sentinel_kwargs=_sentinel_client_options(broker), **options)
    master: redis.Redis = known.master_for(broker.master)
    return master


def _celery_url(broker: BrokerUrl) -> str:
    user = f"{quote(broker.username or '', safe='')}:{quote(broker.password, safe='')}@" if broker.password else ""
    if broker.socket is not None:
        return f"redis+socket://{user}{quote(broker.socket)}?virtual_host={broker.database}"
    scheme = "redis" if broker.master is None else "sentinel"
    # Each alone has user and database: Celery goes on with another one when the first does not answer.
    return ";".join(f"{scheme}://{user}{_bracketed(host)}:{port}/{broker.database}" for host, port in broker.hosts)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _sentinel_options(broker: BrokerUrl) -> Mapping[str, Any]:
    if broker.master is None:
        return {}
    return {"master_name": broker.master, "sentinel_kwargs": _sentinel_client_options(broker)}


def _sentinel_client_options(broker: BrokerUrl) -> dict[str, Any]:
    return {
        "username": broker.sentinel_username,
        "password": broker.sentinel_password,
        # The next Sentinel is tried instead.
        "retry": Retry(NoBackoff(), retries=0),
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        **_redis_tls(broker),
    }


def _redis_tls(broker: BrokerUrl) -> dict[str, Any]:
    return {} if broker.tls is None else {"ssl": True, **broker.tls}
