"""Processes that are killed, frozen, restarted or starved on purpose; each fault returns whether it was seen."""

import random
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TypeVar

import psutil
from sqlalchemy.exc import DBAPIError

from cellgate.client.errors import ClientError
from cellgate.contract.states import LEASED
from service.store.tables import RunRow
from service.store.workers import list_workers
from tests.faults.clocks import FOLLOWS_WITHIN_S
from tests.faults.deployment import LEASE_S, RECONCILERS, WORKERS, Deployment
from tests.faults.workload import checkpoint_files, live_runs

ROLLING_GRACE_S = 20
START_TIMEOUT_S = 30.0
CHECKPOINT_TIMEOUT_S = 10.0
JUMPS_S = (0.0, 3600.0, -3600.0, 432_000.0, -432_000.0)
# Two containers may have one host name, and a worker is often process 1 there.
TWIN = "import os, sys; os.getpid = lambda: {pid}; from worker.__main__ import main; sys.exit(main(['run']))"
RUN_FOLDER = re.compile(r"/runs/([^/]+)/")
T = TypeVar("T")


def kill_trainer(deployment: Deployment, rng: random.Random) -> bool:
    """kill -9 of a trainer."""
    return any(_kill(trainer) for trainer in _one_of(deployment.trainers(), rng))


def freeze_trainer(deployment: Deployment, rng: random.Random) -> bool:
    """A trainer that stands still for a moment."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess):
            trainer.suspend()
            time.sleep(rng.uniform(0.1, 1.5))
            stood_still = trainer.status() == psutil.STATUS_STOPPED
            trainer.resume()
            return stood_still
    return False


def hang_trainer(deployment: Deployment, rng: random.Random) -> bool:
    """A trainer that stands still for ever: it has stalled, if nothing else ends it before."""
    return bool(_hang_one(deployment, rng))


def cancel_deaf_trainer(deployment: Deployment, rng: random.Random) -> bool:
    """A trainer that does not hear SIGTERM, and a run that is cancelled."""
    return any(_cancel(deployment, run) for run in _hang_one(deployment, rng))


def kill_fork_server(deployment: Deployment, rng: random.Random) -> bool:
    """kill -9 of a worker's child that starts the trainers."""
    return any(_kill(server) for server in _one_of(deployment.fork_servers(), rng))


def kill_worker(deployment: Deployment, rng: random.Random) -> bool:
    """kill -9 of a whole worker; it comes back at once or later."""
    return deployment.kill(rng.choice(WORKERS), down_s=rng.choice((0.0, LEASE_S)))


def freeze_worker(deployment: Deployment, rng: random.Random) -> bool:
    """A worker that stands still for less than its lease."""
    return _freeze(deployment, rng.choice(WORKERS), LEASE_S * rng.uniform(0.2, 0.7))


def freeze_worker_beyond_its_lease(deployment: Deployment, rng: random.Random) -> bool:
    """A worker that wakes up when its runs belong to another: the zombie must not write."""
    name = rng.choice(WORKERS)
    held = {(run.id, run.attempt) for run in _leased_by(deployment, name)}
    if not _freeze(deployment, name, LEASE_S * rng.uniform(1.5, 2.0)):
        return False
    now_held = {(run.id, run.attempt) for run in _leased_by(deployment, name)}
    return bool(held - now_held)


def freeze_reconcilers(deployment: Deployment, rng: random.Random) -> bool:
    """Both reconcilers stand still for longer than a lease: when they wake they have seen nothing."""
    for name in RECONCILERS:
        deployment.signal(name, signal.SIGSTOP)
    deployment.sleep(LEASE_S * rng.uniform(1.2, 2.0))
    stood_still = all(deployment.is_frozen(name) for name in RECONCILERS)
    for name in RECONCILERS:
        deployment.signal(name, signal.SIGCONT)
    return stood_still


def jump_clock(deployment: Deployment, rng: random.Random) -> bool:
    """The wall clock of a running process, or of the database server, jumps by hours or days, and stays there."""
    clock = deployment.clocks[rng.choice(sorted(deployment.clocks))]
    before = clock.file.read_text()
    clock.set_error(rng.choice(JUMPS_S))
    deployment.sleep(FOLLOWS_WITHIN_S + 0.5)
    return clock.file.read_text() != before


def start_twin(deployment: Deployment, rng: random.Random) -> bool:
    """A second worker that would have the id of one that lives: it works under another one, and ends."""
    process = deployment.members[rng.choice(WORKERS)].process
    if process is None:
        return False
    with deployment.running([sys.executable, "-c", TWIN.format(pid=process.pid)], log="twin.log") as twin:
        registered = _wait_for_worker(deployment, f":{process.pid}-")
        deployment.sleep(rng.uniform(0, 3))
        twin.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            twin.wait(ROLLING_GRACE_S)
    return registered


def restart_worker(deployment: Deployment, rng: random.Random) -> bool:
    """A rolling restart: SIGTERM, and back."""
    member = deployment.members[rng.choice(WORKERS)]
    if member.process is None or member.process.poll() is not None:
        return False
    deployment.signal(member.name, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        member.process.wait(ROLLING_GRACE_S)
        return True
    return False


def kill_api(deployment: Deployment, rng: random.Random) -> bool:
    """kill -9 of the API."""
    return deployment.kill("api", down_s=rng.uniform(0, 1))


def kill_reconciler(deployment: Deployment, rng: random.Random) -> bool:
    """kill -9 of a reconciler."""
    return deployment.kill(rng.choice(RECONCILERS), down_s=rng.uniform(0, 2))


def cancel_run(deployment: Deployment, rng: random.Random) -> bool:
    """Cancel a run, perhaps just as it finishes."""
    return any(_cancel(deployment, run.id) for run in _one_of(live_runs(deployment), rng))


def damage_checkpoint(deployment: Deployment, rng: random.Random) -> bool:
    """Truncate a file of a checkpoint, once a live run has one, and kill the trainer that wrote it."""
    deadline = time.monotonic() + CHECKPOINT_TIMEOUT_S
    while time.monotonic() < deadline:
        folders = [deployment.artifacts / run.path for run in live_runs(deployment) if run.path is not None]
        for path in _one_of([file for folder in folders for file in checkpoint_files(folder)], rng):
            with suppress(OSError), path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
                return kill_trainer(deployment, rng)
        deployment.sleep(0.1)
    return False


def limit_files(deployment: Deployment, rng: random.Random) -> bool:
    """A trainer that cannot write any more: every file is at its limit."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError):
            trainer.rlimit(resource.RLIMIT_FSIZE, (512, 512))
            return trainer.is_running()
    return False


def _runs_of(trainer: psutil.Process) -> set[str]:
    """Return the runs in whose folders it has files open: its own."""
    return {found.group(1) for file in trainer.open_files() if (found := RUN_FOLDER.search(file.path))}


def _one_of(things: list[T], rng: random.Random) -> list[T]:
    return [rng.choice(things)] if things else []


def _wait_for_worker(deployment: Deployment, part: str) -> bool:
    """Wait until a worker whose id has this part is registered; whether one was."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(DBAPIError), deployment.database.read() as session:
            if any(part in worker.id for worker in list_workers(session)):
                return True
        deployment.sleep(0.2)
    return False


def _kill(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        process.kill()
        return True
    return False


def _freeze(deployment: Deployment, name: str, seconds: float) -> bool:
    deployment.signal(name, signal.SIGSTOP)
    deployment.sleep(seconds)
    stood_still = deployment.is_frozen(name)
    deployment.signal(name, signal.SIGCONT)
    return stood_still


def _hang_one(deployment: Deployment, rng: random.Random) -> set[str]:
    """Let a trainer stand still for ever; return its runs."""
    for trainer in _one_of(deployment.trainers(), rng):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            runs = _runs_of(trainer)
            deployment.hung |= runs
            trainer.suspend()
            return runs
    return set()


def _cancel(deployment: Deployment, run_id: str) -> bool:
    # It may have ended meanwhile, or the API be away: either is an answer, and not the effect that was wanted.
    with suppress(ClientError), deployment.client(patience_s=2) as client:
        client.act("cancel", "runs", run_id)
        return True
    return False


def _leased_by(deployment: Deployment, name: str) -> list[RunRow]:
    process = deployment.members[name].process
    suffix = f":{process.pid}" if process is not None else ""
    return [run for run in live_runs(deployment) if run.state in LEASED and str(run.worker).endswith(suffix)]
