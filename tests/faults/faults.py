"""Everything that is broken on purpose, each by one function."""

import json
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar
from uuid import uuid4

import psutil
import redis
from sqlalchemy import NullPool, create_engine, select
from sqlalchemy.exc import DBAPIError, OperationalError

from cellgate.client.errors import ClientError
from cellgate.contract.states import LEASED, RunState
from service.broker.notify import CeleryNotifier
from service.store.tables import RunRow
from service.store.workers import list_workers
from tests.faults.clocks import FOLLOWS_WITHIN_S
from tests.faults.deployment import LEASE_S, WORKERS, Deployment
from tests.faults.workload import checkpoint_files

FORGED = 1_000 // 30
ROLLING_GRACE_S = 20
JUMPS_S = (0.0, 3600.0, -3600.0, 432_000.0, -432_000.0)
MOST_CONNECTIONS = 500
START_TIMEOUT_S = 30.0
# Two containers may have one host name, and a worker is often process 1 there.
TWIN = "import os, sys; os.getpid = lambda: {pid}; from worker.__main__ import main; sys.exit(main(['run']))"
RUN_FOLDER = re.compile(r"/runs/([^/]+)/")
Fault = Callable[[Deployment, random.Random], None]
T = TypeVar("T")


def kill_trainer(deployment: Deployment, rng: random.Random) -> None:
    """kill -9 of a trainer."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess):
            trainer.kill()


def freeze_trainer(deployment: Deployment, rng: random.Random) -> None:
    """A trainer that stands still for a moment."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess):
            trainer.suspend()
            time.sleep(rng.uniform(0.1, 1.5))
            trainer.resume()


def hang_trainer(deployment: Deployment, rng: random.Random) -> None:
    """A trainer that stands still for ever: it has stalled, if nothing else ends it before."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            deployment.hung |= _runs_of(trainer)
            trainer.suspend()


def cancel_deaf_trainer(deployment: Deployment, rng: random.Random) -> None:
    """A trainer that does not hear SIGTERM, and a run that is cancelled."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            runs = _runs_of(trainer)
            deployment.hung |= runs
            trainer.suspend()
            with suppress(ClientError), deployment.client(patience_s=2) as client:
                for run in runs:
                    client.act("cancel", "runs", run)


def kill_fork_server(deployment: Deployment, rng: random.Random) -> None:
    """kill -9 of a worker's child that starts the trainers."""
    for server in _one_of(deployment.fork_servers(), rng):
        with suppress(psutil.NoSuchProcess):
            server.kill()


def kill_worker(deployment: Deployment, rng: random.Random) -> None:
    """kill -9 of a whole worker; it comes back at once or later."""
    deployment.kill(rng.choice(WORKERS), down_s=rng.choice((0.0, LEASE_S)))


def freeze_worker(deployment: Deployment, rng: random.Random) -> None:
    """A worker that stands still beyond its lease and wakes up again: the zombie must not write."""
    name = rng.choice(WORKERS)
    deployment.signal(name, signal.SIGSTOP)
    _sleep(deployment, LEASE_S * rng.uniform(0.3, 1.6))
    deployment.signal(name, signal.SIGCONT)


def freeze_worker_beyond_lease(deployment: Deployment, rng: random.Random) -> None:
    """A worker that always stands still for longer than its lease: its runs are taken over while it sleeps."""
    name = rng.choice(WORKERS)
    deployment.signal(name, signal.SIGSTOP)
    _sleep(deployment, LEASE_S * rng.uniform(1.5, 2.5))
    deployment.signal(name, signal.SIGCONT)


def freeze_reconcilers(deployment: Deployment, rng: random.Random) -> None:
    """Both reconcilers stand still for longer than a lease: when they wake they have seen nothing."""
    names = ("reconciler-1", "reconciler-2")
    for name in names:
        deployment.signal(name, signal.SIGSTOP)
    _sleep(deployment, LEASE_S * rng.uniform(1.2, 2.0))
    for name in names:
        deployment.signal(name, signal.SIGCONT)


def jump_clock(deployment: Deployment, rng: random.Random) -> None:
    """The wall clock of a running process, or of the database server, jumps by hours or days, and stays there."""
    name = rng.choice(sorted(deployment.clocks))
    deployment.clocks[name].set_error(rng.choice(JUMPS_S))
    _sleep(deployment, FOLLOWS_WITHIN_S + 0.5)


def start_twin(deployment: Deployment, rng: random.Random) -> None:
    """A second worker that would have the id of one that lives: it works under another one, and ends."""
    process = deployment.members[rng.choice(WORKERS)].process
    if process is not None:
        with deployment.running([sys.executable, "-c", TWIN.format(pid=process.pid)], log="twin.log") as twin:
            _wait_for_worker(deployment, f":{process.pid}-")
            _sleep(deployment, rng.uniform(0, 3))
            twin.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                twin.wait(ROLLING_GRACE_S)


def exhaust_connections(deployment: Deployment, rng: random.Random) -> None:
    """Take every connection that PostgreSQL has to spare, for a while; SQLite has no such limit: hold its lock."""
    if deployment.backend == "sqlite":
        _hold_lock(deployment, rng.uniform(0.5, 2.0))
        return
    engine = create_engine(deployment.url, poolclass=NullPool)
    with ExitStack() as held:
        with suppress(OperationalError):
            for _ in range(MOST_CONNECTIONS):
                held.enter_context(engine.connect())
        _sleep(deployment, rng.uniform(1, LEASE_S))


def restart_worker(deployment: Deployment, rng: random.Random) -> None:
    """A rolling restart: SIGTERM, and back."""
    member = deployment.members[rng.choice(WORKERS)]
    deployment.signal(member.name, signal.SIGTERM)
    if member.process is not None:
        with suppress(subprocess.TimeoutExpired):
            member.process.wait(ROLLING_GRACE_S)


def kill_api(deployment: Deployment, rng: random.Random) -> None:
    """kill -9 of the API."""
    deployment.kill("api", down_s=rng.uniform(0, 1))


def kill_reconciler(deployment: Deployment, rng: random.Random) -> None:
    """kill -9 of a reconciler."""
    deployment.kill(rng.choice(("reconciler-1", "reconciler-2")), down_s=rng.uniform(0, 2))


def kill_broker(deployment: Deployment, rng: random.Random) -> None:
    """kill -9 of the broker, which forgets everything."""
    deployment.kill("redis", down_s=rng.uniform(0, 2))


def flush_broker(deployment: Deployment, _rng: random.Random) -> None:
    """FLUSHALL."""
    with suppress(redis.RedisError), deployment.broker() as broker:
        broker.flushall()


def freeze_broker(deployment: Deployment, rng: random.Random) -> None:
    """Connections that are half open: the broker accepts bytes and never answers."""
    deployment.signal("redis", signal.SIGSTOP)
    _sleep(deployment, rng.uniform(0.5, 3))
    deployment.signal("redis", signal.SIGCONT)


def cut_database(deployment: Deployment, rng: random.Random) -> None:
    """Cut all connections to PostgreSQL; hold SQLite's lock for a while."""
    if deployment.backend == "postgres":
        with suppress(DBAPIError):
            deployment.cut_connections()
    else:
        _hold_lock(deployment, rng.uniform(0.2, 2.0))


def restart_database(deployment: Deployment, rng: random.Random) -> None:
    """Stop PostgreSQL at once and start it again; hold SQLite's lock beyond the lease."""
    if deployment.backend == "postgres":
        deployment.restart_database()
    else:
        _hold_lock(deployment, LEASE_S * rng.uniform(1.0, 1.5))


def forge_notifications(deployment: Deployment, rng: random.Random) -> None:
    """Notifications that are doubled, stale, forged, or no notifications at all."""
    with suppress(DBAPIError), deployment.database.read() as session:
        known = list(session.scalars(select(RunRow.id).limit(200)))
        notifier = CeleryNotifier(deployment.redis_url)
        for _ in range(FORGED):
            notifier.notify(rng.choice([*known, str(uuid4())]), "cpu")
        notifier.close()
    envelope = {"body": "e30=", "content-encoding": "utf-8", "content-type": "application/json", "headers": {}}
    nonsense = [b"nonsense", b"{}", json.dumps({**envelope, "properties": {"delivery_tag": "x"}}).encode()]
    with suppress(redis.RedisError), deployment.broker() as broker:
        broker.rpush("cpu", rng.choice(nonsense))


def cancel_run(deployment: Deployment, rng: random.Random) -> None:
    """Cancel a run, perhaps just as it finishes."""
    for run in _one_of(_live_runs(deployment), rng):
        # It may have ended meanwhile, or the API be away: either is an answer.
        with suppress(ClientError), deployment.client(patience_s=2) as client:
            client.act("cancel", "runs", run.id)


def damage_checkpoint(deployment: Deployment, rng: random.Random) -> None:
    """Truncate a file of a checkpoint, and kill the trainer that wrote it."""
    for run in _one_of(_live_runs(deployment), rng):
        for path in _one_of(checkpoint_files(deployment.artifacts / str(run.path)), rng):
            with suppress(OSError), path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
    kill_trainer(deployment, rng)


def fill_disk(deployment: Deployment, rng: random.Random) -> None:
    """A trainer that cannot write any more: every file is at its limit."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
            deployment.starved |= _runs_of(trainer)
            trainer.rlimit(resource.RLIMIT_FSIZE, (512, 512))


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill_trainer,
        freeze_trainer,
        hang_trainer,
        cancel_deaf_trainer,
        kill_fork_server,
        kill_worker,
        freeze_worker,
        freeze_worker_beyond_lease,
        freeze_reconcilers,
        jump_clock,
        start_twin,
        exhaust_connections,
        restart_worker,
        kill_api,
        kill_reconciler,
        kill_broker,
        flush_broker,
        freeze_broker,
        cut_database,
        restart_database,
        forge_notifications,
        cancel_run,
        damage_checkpoint,
        fill_disk,
    )
}
# In which state a run is when the fault strikes; `saving`: a checkpoint was written just now.
PHASES: dict[str, Callable[[RunRow], bool]] = {
    "queued": lambda run: run.state == RunState.QUEUED,
    "claiming": lambda run: run.state == RunState.STARTING,
    "running": lambda run: run.state == RunState.RUNNING and run.phase == "train",
    "saving": lambda run: run.state == RunState.RUNNING and bool(run.steps_done) and run.steps_done % 5 == 0,
    "finishing": lambda run: run.state == RunState.RUNNING and run.phase in ("predict", "evaluate", "save"),
}
PHASE_TIMEOUT_S = 4.0


def wait_for_phase(deployment: Deployment, phase: str) -> bool:
    """Wait until some run is in a phase; whether one was."""
    deadline = time.monotonic() + PHASE_TIMEOUT_S
    while time.monotonic() < deadline:
        deployment.look()
        if any(map(PHASES[phase], _live_runs(deployment))):
            return True
        time.sleep(0.01)
    return False


def _live_runs(deployment: Deployment) -> list[RunRow]:
    live = [*LEASED, RunState.QUEUED, RunState.RECOVERING]
    try:
        with deployment.database.read() as session:
            return list(session.scalars(select(RunRow).where(RunRow.state.in_(live))))
    except DBAPIError:
        return []


def _runs_of(trainer: psutil.Process) -> set[str]:
    """Return the runs in whose folders it has files open: its own."""
    return {found.group(1) for file in trainer.open_files() if (found := RUN_FOLDER.search(file.path))}


def _one_of(things: list[T], rng: random.Random) -> list[T]:
    return [rng.choice(things)] if things else []


def _sleep(deployment: Deployment, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        deployment.look()
        time.sleep(0.05)


def _wait_for_worker(deployment: Deployment, part: str) -> None:
    """Wait until a worker whose id has this part is registered."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        deployment.look()
        with suppress(DBAPIError), deployment.database.read() as session:
            if any(part in worker.id for worker in list_workers(session)):
                return
        time.sleep(0.2)


def _hold_lock(deployment: Deployment, seconds: float) -> None:
    connection = sqlite3.connect(deployment.folder / "cellgate.db", timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()
