"""One attempt at a run: start its trainer, keep its lease, stream what it says into SQL, end it, say how it ended."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.dispatch import Bell
from service.domain.errors import ServiceError
from service.domain.states import FailureReason, RunState
from service.settings import Settings
from service.store.claims import Claim
from service.store.database import Database
from service.store.lifecycle import cancelled, due_for_dispatch, fail, mark_running, release, renew, succeed
from service.store.pipeline import after_run
from service.store.run_specs import trainer_spec
from trainers.artifacts import write_json
from trainers.results import read_result
from trainers.specs import Cell
from worker.outcome import Abandoned, Cancelled, Failed, Outcome, Released, Stop, Succeeded, judge
from worker.process import OUTPUT_NAME, TrainerProcess
from worker.recorder import Recorder
from worker.tail import EventTail, OutputTail

log = structlog.get_logger(__name__)

POLL_S = 0.1
# Of the lease: when to renew it, and when to give up by our own clock, whatever the database's clock says.
RENEW_AT = 0.25
GIVE_UP_AT = 0.8
DATABASE_RETRY_S = 0.5
TRAINER = (sys.executable, "-m", "trainers")
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH")
KEPT_PREFIXES = ("HF_", "CUDA_", "NVIDIA_", "TORCH_", "NCCL_", "SSL_")


@dataclass(frozen=True, kw_only=True)
class House:
    """What every supervisor of a worker shares.

    Args:
        command: How a trainer is started, before the cell's name; tests put their own here.
        draining: Set when the worker is shutting down.
    """

    database: Database
    bell: Bell
    settings: Settings
    worker_id: str
    draining: threading.Event
    command: Sequence[str] = TRAINER


def supervise(house: House, claim: Claim) -> None:
    """Take one attempt from its claim to its end; never raises for what the trainer or the database does."""
    logger = log.bind(run=claim.run_id, attempt=claim.attempt, cell=claim.cell.label, seed=claim.seed)
    folder = house.settings.artifacts / claim.path
    try:
        process = _start(house, claim, folder)
    except (ServiceError, ValidationError, OSError) as error:
        logger.exception("run_not_started")
        outcome: Outcome = Failed(reason=FailureReason.BAD_SPEC, detail=f"the trainer could not be started: {error}")
        _end(house, claim, folder, outcome, exit_code=None)
        return
    logger.info("run_started", pid=process.pid)
    watch = _Watch(house, claim, process, folder)
    try:
        outcome = watch.run()
    finally:
        # Whatever happened here: no trainer outlives its supervisor.
        process.kill()
        process.close()
    _end(house, claim, folder, outcome, exit_code=process.exit_code())
    logger.info("run_ended", outcome=type(outcome).__name__, exit_code=process.exit_code())


def _start(house: House, claim: Claim, folder: Path) -> TrainerProcess:
    settings = house.settings
    with house.database.read() as session:
        spec = trainer_spec(session, run_id=claim.run_id, artifacts=settings.artifacts)
    threads = settings.threads or max(1, (os.cpu_count() or 1) // settings.slots)
    if claim.cell is Cell.PREPARE:
        spec["workers"] = threads
    else:
        spec |= {"device": settings.device, "threads": threads}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "spec.json", spec)
    command = [*house.command, claim.cell.label, "--spec", str(folder / "spec.json"), "--out", str(folder)]
    if claim.resume_from is not None:
        command += ["--resume", str(settings.artifacts / claim.resume_from)]
    command += ["--lifeline", f"{settings.lease_s:g}"]
    return TrainerProcess(command, folder=folder, environment=_environment(threads))


def _environment(threads: int) -> dict[str, str]:
    """Return the trainer's environment: none of the service's secrets, and no more threads than its share."""
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
    }
    return {**kept, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


class _Watch:
    """Watching one trainer until it has ended and everything it said is in SQL."""

    def __init__(self, house: House, claim: Claim, process: TrainerProcess, folder: Path) -> None:
        self._house = house
        self._claim = claim
        self._process = process
        self._recorder = Recorder(claim)
        self._events = EventTail(folder / "events.jsonl")
        self._output = OutputTail(folder / OUTPUT_NAME)
        self._pending: list[dict[str, Any]] = []
        self._pending_output: list[tuple[int, str]] = []
        now = time.monotonic()
        self._started = self._renewed = self._heard = now
        self._renew_after = 0.0
        self._running = False
        self._stop: Stop | None = None
        self._limit = ""
        self._kill_at = float("inf")

    def run(self) -> Outcome:
        """Return what the trainer's end means."""
        while (exit_code := self._process.exit_code()) is None:
            self._keep_lease()
            self._look()
            self._check_limits()
            if self._stop is Stop.LEASE_LOST or time.monotonic() > self._kill_at:
                self._process.kill()
            else:
                self._process.wait(POLL_S)
        self._drain()
        return judge(
            exit_code,
            stop=self._stop,
            failure=self._recorder.failure,
            recoveries=self._claim.recoveries,
            limits=self._limit,
        )

    def _keep_lease(self) -> None:
        now = time.monotonic()
        lease_s = self._house.settings.lease_s
        if now - self._renewed > GIVE_UP_AT * lease_s:
            # Another worker may take over at any moment: stop before it can.
            self._stop = Stop.LEASE_LOST
            return
        if now < self._renew_after:
            return
        state = self._try(lambda session: self._renew(session, lease_s))
        if state is None:
            self._renew_after = now + DATABASE_RETRY_S
            return
        if state == "lost":
            self._stop = Stop.LEASE_LOST
            return
        self._renewed = now
        self._renew_after = now + RENEW_AT * lease_s
        self._process.say_alive()
        self._obey(state)

    def _renew(self, session: Session, lease_s: float) -> str:
        run: dict[str, Any] = {"run_id": self._claim.run_id, "attempt": self._claim.attempt}
        state = renew(session, **run, lease_s=lease_s)
        if state is RunState.STARTING and not self._running:
            self._running = mark_running(session, **run)
        return "lost" if state is None else state.value

    def _obey(self, state: str) -> None:
        if state == RunState.CANCELLING:
            self._ask_to_stop(Stop.CANCELLED)
        elif state == RunState.PAUSING:
            self._ask_to_stop(Stop.PAUSED)

    def _look(self) -> None:
        """Read what is new and write it to SQL; what could not be written is tried again next time."""
        new = self._events.read()
        self._pending += new
        self._pending_output += self._output.read()
        if new:
            self._heard = time.monotonic()
        if (self._pending or self._pending_output) and self._try(self._record) == "lost":
            self._stop = Stop.LEASE_LOST

    def _record(self, session: Session) -> str:
        if not self._recorder.record(session, self._pending, self._pending_output):
            return "lost"
        self._pending, self._pending_output = [], []
        return "written"

    def _check_limits(self) -> None:
        settings, now = self._house.settings, time.monotonic()
        if self._house.draining.is_set():
            self._ask_to_stop(Stop.DRAINED)
        elif settings.run_timeout_s is not None and now - self._started > settings.run_timeout_s:
            self._limit = f"the attempt took longer than run_timeout_s, {settings.run_timeout_s:g} s"
            self._ask_to_stop(Stop.TIMEOUT)
        elif now - self._heard > settings.stall_timeout_s:
            self._limit = f"the trainer said nothing for stall_timeout_s, {settings.stall_timeout_s:g} s"
            self._ask_to_stop(Stop.STALLED)

    def _ask_to_stop(self, why: Stop) -> None:
        if self._stop is None:
            self._stop = why
            self._kill_at = time.monotonic() + self._house.settings.grace_s
            self._process.ask_to_stop()

    def _drain(self) -> None:
        """Bring everything that it still said into SQL, as long as the lease holds."""
        while self._stop is not Stop.LEASE_LOST:
            self._look()
            if not self._pending and not self._pending_output and not self._events.read():
                return
            self._keep_lease()
            if self._pending or self._pending_output:
                time.sleep(POLL_S)

    def _try(self, work: Callable[[Session], str]) -> str | None:
        """Run a transaction; None when the database could not be reached just now."""
        try:
            with self._house.database.begin() as session:
                return work(session)
        except OperationalError:
            log.warning("database_not_reached", run=self._claim.run_id, exc_info=True)
            return None


def _end(house: House, claim: Claim, folder: Path, outcome: Outcome, *, exit_code: int | None) -> None:
    """Write the end and move on what waited for it in one transaction; then ring for what is next."""
    if isinstance(outcome, Abandoned):
        return
    deadline = time.monotonic() + house.settings.lease_s
    while True:
        try:
            with house.database.begin() as session:
                _write_end(session, claim, folder, outcome, exit_code)
                after_run(session, run_id=claim.run_id, artifacts=house.settings.artifacts)
            break
        except OperationalError:
            # Beyond its lease the run is the reconciler's.
            if time.monotonic() > deadline:
                log.exception("end_not_written", run=claim.run_id)
                return
            time.sleep(DATABASE_RETRY_S)
    ring_for_waiting(house)


def _write_end(session: Session, claim: Claim, folder: Path, outcome: Outcome, exit_code: int | None) -> None:
    run: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
    match outcome:
        case Succeeded():
            result, problem = _read_result(folder / "result.json")
            if problem is None:
                succeed(session, **run, exit_code=0, result=result)
            else:
                fail(session, **run, reason=FailureReason.INVALID_RESULT, detail=problem, exit_code=0)
        case Failed(reason=reason, detail=detail):
            fail(session, **run, reason=reason, detail=detail, exit_code=exit_code)
        case Cancelled():
            cancelled(session, **run, exit_code=exit_code)
        case Released(why=why, counts=counts):
            release(session, **run, why=why, exit_code=exit_code, counts=counts)


def _read_result(path: Path) -> tuple[dict[str, Any], str | None]:
    """Return result.json as it lies on disk, or what is wrong with it."""
    try:
        return read_result(path).model_dump(mode="json"), None
    except (OSError, ValueError) as error:
        return {}, f"{path.name} is missing or breaks its schema: {error}"


def ring_for_waiting(house: House) -> None:
    """Ring for every queued run that has not been rung for yet."""
    try:
        with house.database.begin() as session:
            due = due_for_dispatch(session, redispatch_after_s=house.settings.redispatch_after_s)
    except OperationalError:
        log.warning("database_not_reached", exc_info=True)
        return
    for run_id, queue in due:
        house.bell.ring(run_id, queue)
