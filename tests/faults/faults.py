"""Everything that is broken on purpose, each by one function."""

import json
import random
import re
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from uuid import uuid4

import psutil
import redis
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from cellgate.client.calls import ClientError
from cellgate.contract.states import LEASED, RunState
from service.broker.notify import Doorbell
from service.store.tables import RunRow
from tests.faults.deployment import LEASE_S, WORKERS, House
from tests.faults.workload import checkpoint_files

FORGED = 1_000 // 30
ROLLING_GRACE_S = 20
RUN_FOLDER = re.compile(r"/runs/([^/]+)/")
Fault = Callable[[House, random.Random], None]
T = TypeVar("T")


def kill_trainer(house: House, rng: random.Random) -> None:
    """kill -9 of a trainer."""
    for trainer in _one_of(house.trainers(), rng):
        with suppress(psutil.NoSuchProcess):
            trainer.kill()


def freeze_trainer(house: House, rng: random.Random) -> None:
    """A trainer that stands still for a moment."""
    for trainer in _one_of(house.trainers(), rng):
        with suppress(psutil.NoSuchProcess):
            trainer.suspend()
            time.sleep(rng.uniform(0.1, 1.5))
            trainer.resume()


def hang_trainer(house: House, rng: random.Random) -> None:
    """A trainer that stands still for ever: it has stalled, if nothing else ends it before."""
    for trainer in _one_of(house.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            house.hung |= _runs_of(trainer)
            trainer.suspend()


def cancel_deaf_trainer(house: House, rng: random.Random) -> None:
    """A trainer that does not hear SIGTERM, and a run that is cancelled."""
    for trainer in _one_of(house.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            runs = _runs_of(trainer)
            house.hung |= runs
            trainer.suspend()
            with suppress(ClientError), house.client(patience_s=2) as client:
                for run in runs:
                    client.act("cancel", "runs", run)


def kill_fork_server(house: House, rng: random.Random) -> None:
    """kill -9 of a worker's child that starts the trainers."""
    for server in _one_of(house.fork_servers(), rng):
        with suppress(psutil.NoSuchProcess):
            server.kill()


def kill_worker(house: House, rng: random.Random) -> None:
    """kill -9 of a whole worker; it comes back at once or later."""
    house.kill(rng.choice(WORKERS), down_s=rng.choice((0.0, LEASE_S)))


def freeze_worker(house: House, rng: random.Random) -> None:
    """A worker that stands still beyond its lease and wakes up again: the zombie must not write."""
    name = rng.choice(WORKERS)
    house.signal(name, signal.SIGSTOP)
    _sleep(house, LEASE_S * rng.uniform(0.3, 1.6))
    house.signal(name, signal.SIGCONT)


def restart_worker(house: House, rng: random.Random) -> None:
    """A rolling restart: SIGTERM, and back."""
    member = house.members[rng.choice(WORKERS)]
    house.signal(member.name, signal.SIGTERM)
    if member.process is not None:
        with suppress(subprocess.TimeoutExpired):
            member.process.wait(ROLLING_GRACE_S)


def kill_api(house: House, rng: random.Random) -> None:
    """kill -9 of the API."""
    house.kill("api", down_s=rng.uniform(0, 1))


def kill_reconciler(house: House, rng: random.Random) -> None:
    """kill -9 of a reconciler."""
    house.kill(rng.choice(("reconciler-1", "reconciler-2")), down_s=rng.uniform(0, 2))


def kill_broker(house: House, rng: random.Random) -> None:
    """kill -9 of the broker, which forgets everything."""
    house.kill("redis", down_s=rng.uniform(0, 2))


def flush_broker(house: House, _rng: random.Random) -> None:
    """FLUSHALL."""
    with suppress(redis.RedisError), house.broker() as broker:
        broker.flushall()


def freeze_broker(house: House, rng: random.Random) -> None:
    """Connections that are half open: the broker takes what is sent and says nothing."""
    house.signal("redis", signal.SIGSTOP)
    _sleep(house, rng.uniform(0.5, 3))
    house.signal("redis", signal.SIGCONT)


def cut_database(house: House, rng: random.Random) -> None:
    """Cut all connections to PostgreSQL; hold SQLite's lock for a while."""
    if house.backend == "postgres":
        with suppress(DBAPIError):
            house.cut_connections()
    else:
        _hold_lock(house, rng.uniform(0.2, 2.0))


def restart_database(house: House, rng: random.Random) -> None:
    """Stop PostgreSQL at once and start it again; hold SQLite's lock beyond the lease."""
    if house.backend == "postgres":
        house.restart_database()
    else:
        _hold_lock(house, LEASE_S * rng.uniform(1.0, 1.5))


def forge_doorbells(house: House, rng: random.Random) -> None:
    """Doorbells that are doubled, stale, forged, or no doorbells at all."""
    with suppress(DBAPIError), house.database.read() as session:
        known = list(session.scalars(select(RunRow.id).limit(200)))
        bell = Doorbell(house.redis_url)
        for _ in range(FORGED):
            bell.ring(rng.choice([*known, str(uuid4())]), "cpu")
        bell.close()
    envelope = {"body": "e30=", "content-encoding": "utf-8", "content-type": "application/json", "headers": {}}
    nonsense = [b"nonsense", b"{}", json.dumps({**envelope, "properties": {"delivery_tag": "x"}}).encode()]
    with suppress(redis.RedisError), house.broker() as broker:
        broker.rpush("cpu", rng.choice(nonsense))


def cancel_run(house: House, rng: random.Random) -> None:
    """Cancel a run, perhaps just as it finishes."""
    for run in _one_of(_live_runs(house), rng):
        # It may have ended meanwhile, or the API be away: either is an answer.
        with suppress(ClientError), house.client(patience_s=2) as client:
            client.act("cancel", "runs", run.id)


def damage_checkpoint(house: House, rng: random.Random) -> None:
    """Truncate a file of a checkpoint, and kill the trainer that wrote it."""
    for run in _one_of(_live_runs(house), rng):
        for path in _one_of(checkpoint_files(house.artifacts / str(run.path)), rng):
            with suppress(OSError), path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
    kill_trainer(house, rng)


def fill_disk(house: House, rng: random.Random) -> None:
    """A trainer that cannot write any more: every file is at its limit."""
    for trainer in _one_of(house.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
            house.starved |= _runs_of(trainer)
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
        restart_worker,
        kill_api,
        kill_reconciler,
        kill_broker,
        flush_broker,
        freeze_broker,
        cut_database,
        restart_database,
        forge_doorbells,
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


def wait_for_phase(house: House, phase: str) -> bool:
    """Wait until some run is in a phase; whether one was."""
    deadline = time.monotonic() + PHASE_TIMEOUT_S
    while time.monotonic() < deadline:
        house.look()
        if any(map(PHASES[phase], _live_runs(house))):
            return True
        time.sleep(0.01)
    return False


def _live_runs(house: House) -> list[RunRow]:
    live = [*LEASED, RunState.QUEUED, RunState.RECOVERING]
    try:
        with house.database.read() as session:
            return list(session.scalars(select(RunRow).where(RunRow.state.in_(live))))
    except DBAPIError:
        return []


def _runs_of(trainer: psutil.Process) -> set[str]:
    """Return the runs in whose folders it has files open: its own."""
    return {found.group(1) for file in trainer.open_files() if (found := RUN_FOLDER.search(file.path))}


def _one_of(things: list[T], rng: random.Random) -> list[T]:
    return [rng.choice(things)] if things else []


def _sleep(house: House, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        house.look()
        time.sleep(0.05)


def _hold_lock(house: House, seconds: float) -> None:
    connection = sqlite3.connect(house.folder / "cellgate.db", timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()
