"""Broker, database, links and disks that fail on purpose; each fault returns whether its effect was seen."""

import json
import random
import signal
import sqlite3
import time
from contextlib import ExitStack, suppress
from uuid import uuid4

import redis
from sqlalchemy import NullPool, create_engine, select
from sqlalchemy.exc import DBAPIError, OperationalError

from service.broker.notify import CeleryNotifier
from service.store.tables import RunRow
from tests.faults.deployment import LEASE_S, LINKED, Deployment, free_port
from tests.faults.disks import SmallDisk
from tests.faults.links import WAYS, Link

FORGED = 30
MOST_CONNECTIONS = 500


def kill_broker(deployment: Deployment, rng: random.Random) -> bool:
    """kill -9 of the broker, which forgets everything."""
    return deployment.kill("redis", down_s=rng.uniform(0, 2))


def flush_broker(deployment: Deployment, _rng: random.Random) -> bool:
    """FLUSHALL."""
    with suppress(redis.RedisError), deployment.broker() as broker:
        return bool(broker.flushall())
    return False


def freeze_broker(deployment: Deployment, rng: random.Random) -> bool:
    """Connections that are half open: the broker accepts bytes and never answers."""
    deployment.signal("redis", signal.SIGSTOP)
    deployment.sleep(rng.uniform(0.5, 3))
    stood_still = deployment.is_frozen("redis")
    deployment.signal("redis", signal.SIGCONT)
    return stood_still


def fail_over_broker(deployment: Deployment, rng: random.Random) -> bool:
    """The broker becomes a replica of one that is not there, which ends every BRPOP, and then a master again."""
    with suppress(redis.RedisError), deployment.broker() as broker:
        broker.replicaof("127.0.0.1", free_port())
        deployment.sleep(rng.uniform(0.2, 2))
        was_replica = broker.info("replication")["role"] == "slave"
        broker.replicaof("NO", "ONE")
        return was_replica
    return False


def fill_broker(deployment: Deployment, rng: random.Random) -> bool:
    """The broker is at `maxmemory`, and refuses every write."""
    refused = False
    with suppress(redis.RedisError), deployment.broker() as broker:
        broker.config_set("maxmemory", 1)
        deployment.sleep(rng.uniform(0.5, 3))
        try:
            broker.set("cellgate-test:probe", 1)
        except redis.OutOfMemoryError:
            refused = True
        broker.config_set("maxmemory", 0)
    return refused


def cut_broker_link(deployment: Deployment, rng: random.Random) -> bool:
    """One process and the broker hear each other no more, in one direction or both."""
    return _cut(deployment, deployment.broker_links[rng.choice(LINKED)], rng, rng.uniform(2, 4))


def cut_database_link(deployment: Deployment, rng: random.Random) -> bool:
    """One process and PostgreSQL hear each other no more, in one direction or both; perhaps beyond a lease."""
    return _cut(deployment, deployment.database_links[rng.choice(LINKED)], rng, LEASE_S * rng.uniform(0.4, 1.8))


def cut_database(deployment: Deployment, rng: random.Random) -> bool:
    """Cut all connections to PostgreSQL; hold SQLite's lock for a while."""
    if deployment.backend == "sqlite":
        return _hold_lock(deployment, rng.uniform(0.2, 2.0))
    with suppress(DBAPIError):
        return deployment.cut_connections() > 0
    return False


def restart_database(deployment: Deployment, rng: random.Random) -> bool:
    """Stop PostgreSQL at once and start it again; hold SQLite's lock beyond the lease."""
    if deployment.backend == "sqlite":
        return _hold_lock(deployment, LEASE_S * rng.uniform(1.0, 1.5))
    deployment.restart_database()
    return True


def exhaust_connections(deployment: Deployment, rng: random.Random) -> bool:
    """Take every connection that PostgreSQL has to spare, for a while."""
    engine = create_engine(deployment.url, poolclass=NullPool)
    with ExitStack() as held:
        refused = False
        for _ in range(MOST_CONNECTIONS):
            try:
                held.enter_context(engine.connect())
            except OperationalError:
                refused = True
                break
        deployment.sleep(rng.uniform(1, LEASE_S))
    return refused


def forge_notifications(deployment: Deployment, rng: random.Random) -> bool:
    """Notifications that are doubled, stale, forged, or no notifications at all."""
    sent = False
    with suppress(DBAPIError), deployment.database.read() as session:
        known = list(session.scalars(select(RunRow.id).limit(200)))
        notifier = CeleryNotifier(deployment.redis_url)
        sent = sum(notifier.notify(rng.choice([*known, str(uuid4())]), "cpu") for _ in range(FORGED)) == FORGED
        notifier.close()
    envelope = {"body": "e30=", "content-encoding": "utf-8", "content-type": "application/json", "headers": {}}
    nonsense = [b"nonsense", b"{}", json.dumps({**envelope, "properties": {"delivery_tag": "x"}}).encode()]
    with suppress(redis.RedisError), deployment.broker() as broker:
        broker.rpush("cpu", rng.choice(nonsense))
        return sent
    return False


def fill_disk(deployment: Deployment, rng: random.Random) -> bool:
    """The disk with the runs' folders has no byte left for a while."""
    return _fill(deployment, deployment.artifacts_disk, rng.uniform(1, 4))


def fill_database_disk(deployment: Deployment, rng: random.Random) -> bool:
    """The database's disk has no byte left for a while."""
    seen = _fill(deployment, deployment.database_disk, rng.uniform(0.5, 2))
    deployment.start_database()
    return seen


def _cut(deployment: Deployment, link: Link, rng: random.Random, seconds: float) -> bool:
    before = link.held
    with link.cut(rng.choice(WAYS)):
        deployment.sleep(seconds)
        return link.held > before


def _fill(deployment: Deployment, disk: SmallDisk, seconds: float) -> bool:
    with disk.full():
        was_full = disk.free_bytes() == 0
        deployment.sleep(seconds)
    return was_full


def _hold_lock(deployment: Deployment, seconds: float) -> bool:
    path = deployment.database_disk.folder / "cellgate.db"
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True
