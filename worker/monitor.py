"""Watch one trainer until it has ended and all of its events and output are stored."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import EVENTS_NAME, OUTPUT_NAME
from cellgate.contract.states import RunState
from service.settings import Settings
from service.store.budgets import overspent
from service.store.claims import Claim
from service.store.database_faults import DatabaseFull
from service.store.lifecycle import held_state, mark_running, renew
from service.store.recorder import Recorder
from worker.context import DATABASE_RETRY_S, UNREACHABLE, WorkerContext
from worker.outcome import AttemptOutcome, Stop, classify_exit
from worker.process import TrainerProcess, Watchdog
from worker.room import has_room
from worker.start import GIVE_UP_AT
from worker.tail import EventTail, OutputTail

POLL_S = 0.1
# Of the lease: when to renew it.
RENEW_AT = 0.25
# A cancel or pause request takes effect within this time; each poll reads one indexed row.
POLL_STATE_EVERY_S = 0.5
log = structlog.get_logger(__name__)


class AttemptMonitor:
    """Watches one attempt.

    Args:
        context: Of the worker.
        claim: The attempt.
        process: Its running trainer.
        folder: The attempt's output folder.
        held_since: When the attempt was claimed, by `time.monotonic()`.
    """

    def __init__(
        self, context: WorkerContext, claim: Claim, process: TrainerProcess, folder: Path, *, held_since: float
    ) -> None:
        self._context = context
        self._claim = claim
        self._process = process
        self._recorder = Recorder(claim)
        self._events = EventTail(folder / EVENTS_NAME)
        self._output = OutputTail(folder / OUTPUT_NAME)
        self._pending: list[dict[str, Any]] = []
        self._pending_output: list[tuple[int, str]] = []
        self._again = False
        self._is_full = False
        self._watchdog = Watchdog(process, timeout_s=GIVE_UP_AT * context.settings.lease_s, started_at=held_since)
        self._held_since = held_since
        self._started = self._last_event_at = time.monotonic()
        self._renew_after = self._poll_after = 0.0
        self._running = False
        self._stop: Stop | None = None
        self._limit = ""
        self._overspent: str | None = None
        self._time_limit_s, self._time_limit = _time_limit(context.settings, claim)
        self._kill_at = float("inf")

    def run(self) -> AttemptOutcome:
        """Return the attempt's outcome once its trainer has ended.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database refuses an event or output.
        """
        try:
            while (exit_code := self._process.exit_code()) is None:
                self._keep_lease()
                self._collect()
                self._check_limits()
                if self._stop is Stop.LEASE_LOST or time.monotonic() > self._kill_at:
                    self._process.kill()
                else:
                    self._process.wait(POLL_S)
        finally:
            self._watchdog.stop()
        if self._watchdog.expired and self._stop is not Stop.LEASE_LOST:
            self._stop = Stop.DATABASE_FULL if self._is_full else Stop.TOO_LATE
        self._flush()
        return classify_exit(
            exit_code,
            stop=self._stop,
            failure=self._recorder.failure,
            recoveries=self._claim.recoveries,
            limits=self._limit,
            has_room=has_room(self._context),
        )

    def _keep_lease(self) -> None:
        now = time.monotonic()
        if now < self._renew_after:
            self._poll_state(now)
            return
        lease_s = self._context.settings.lease_s
        state = self._try(lambda session: self._renew(session, lease_s))
        if state is None:
            self._renew_after = now + min(DATABASE_RETRY_S, RENEW_AT * lease_s)
            return
        if state == "lost":
            self._stop = Stop.LEASE_LOST
            return
        # The time before the renewal was sent: never later than the database's.
        self._watchdog.renew(now)
        self._renew_after = now + RENEW_AT * lease_s
        self._poll_after = now + POLL_STATE_EVERY_S
        self._process.send_heartbeat()
        self._apply_state(state)

    def _renew(self, session: Session, lease_s: float) -> str:
        run: dict[str, Any] = {"run_id": self._claim.run_id, "attempt": self._claim.attempt}
        state = renew(session, **run, lease_s=lease_s, duration_s=time.monotonic() - self._held_since)
        if state is RunState.STARTING and not self._running:
            self._running = mark_running(session, **run)
        if self._claim.budget_s is not None:
            self._overspent = overspent(session, self._claim.run_id, self._claim.budget_s)
        return "lost" if state is None else state.value

    def _poll_state(self, now: float) -> None:
        """Read the run's state: it may be cancelling or pausing, or another attempt may hold the run."""
        if now < self._poll_after:
            return
        self._poll_after = now + POLL_STATE_EVERY_S
        try:
            with self._context.database.read() as session:
                state = held_state(session, run_id=self._claim.run_id, attempt=self._claim.attempt)
        except UNREACHABLE:
            # The next renewal reports that, and has a deadline.
            return
        if state is None:
            self._stop = Stop.LEASE_LOST
        else:
            self._apply_state(state)

    def _apply_state(self, state: str) -> None:
        if state == RunState.CANCELLING:
            self._ask_to_stop(Stop.CANCELLED)
        elif state == RunState.PAUSING:
            self._ask_to_stop(Stop.PAUSED)

    def _collect(self) -> bool:
        """Read new events and output and store them, after any that could not be stored before.

        Returns:
            Whether any were new.
        """
        events, output = self._events.read(), self._output.read()
        self._pending += events
        self._pending_output += output
        if events:
            self._last_event_at = time.monotonic()
        if self._pending or self._pending_output:
            written = self._try(self._record)
            self._again = written is None
            if written == "lost":
                self._stop = Stop.LEASE_LOST
            elif written is not None:
                self._pending, self._pending_output = [], []
        return bool(events or output)

    def _record(self, session: Session) -> str:
        held = self._recorder.record(session, self._pending, self._pending_output, again=self._again)
        return "written" if held else "lost"

    def _check_limits(self) -> None:
        settings, now = self._context.settings, time.monotonic()
        if self._context.draining.is_set():
            self._ask_to_stop(Stop.DRAINED)
        elif now - self._started > self._time_limit_s:
            self._limit = self._time_limit
            self._ask_to_stop(Stop.TIMEOUT)
        elif self._overspent is not None:
            self._limit = self._overspent
            self._ask_to_stop(Stop.BUDGET)
        elif now - self._last_event_at > settings.stall_timeout_s:
            self._limit = f"the trainer wrote no event for stall_timeout_s, {settings.stall_timeout_s:g} s"
            self._ask_to_stop(Stop.STALLED)

    def _ask_to_stop(self, why: Stop) -> None:
        if self._stop is None:
            self._stop = why
            self._kill_at = time.monotonic() + self._context.settings.grace_s
            self._process.ask_to_stop()

    def _flush(self) -> None:
        """Store the remaining events and output; SQL refuses them once the lease is lost."""
        deadline = time.monotonic() + self._context.settings.lease_s
        while self._stop is not Stop.LEASE_LOST:
            new = self._collect()
            if not new and not self._pending and not self._pending_output:
                return
            self._keep_lease()
            if new:
                continue
            if self._is_full and not self._context.draining.is_set():
                # Nobody else can take the run either: no transaction can be stored.
                deadline = time.monotonic() + self._context.settings.lease_s
            elif time.monotonic() > deadline:
                # Without its last events the end cannot be trusted: the reconciler takes the run back.
                self._stop = Stop.LEASE_LOST
            time.sleep(POLL_S)

    def _try(self, work: Callable[[Session], str]) -> str | None:
        """Run a transaction; return None if the database cannot be reached at the moment."""
        try:
            with self._context.database.begin() as session:
                done = work(session)
        except UNREACHABLE as error:
            self._is_full = isinstance(error, DatabaseFull)
            log.warning("database_not_reached", error=str(error))
            return None
        self._is_full = False
        return done


def _time_limit(settings: Settings, claim: Claim) -> tuple[float, str]:
    """Return the attempt's time limit in seconds, the stricter one, and the message when it is exceeded."""
    limits = [(float("inf"), "")]
    if settings.run_timeout_s is not None:
        message = f"the attempt took longer than run_timeout_s, {settings.run_timeout_s:g} s"
        limits.append((settings.run_timeout_s, message))
    if claim.timeout_s is not None and claim.time_left_s is not None:
        message = f"the run took longer than its timeout_s, {claim.timeout_s:g} s over all of its attempts"
        limits.append((claim.time_left_s, message))
    return min(limits)
