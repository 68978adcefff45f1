"""Watching one trainer until it has ended and everything it said is in SQL."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import EVENTS_NAME, OUTPUT_NAME
from cellgate.contract.states import RunState
from service.settings import Settings
from service.store.claims import Claim
from service.store.lifecycle import held_state, mark_running, renew
from worker.context import DATABASE_RETRY_S, UNREACHABLE, WorkerContext
from worker.outcome import AttemptOutcome, Stop, classify_exit
from worker.process import TrainerProcess, Watchdog
from worker.recorder import Recorder
from worker.start import GIVE_UP_AT
from worker.tail import EventTail, OutputTail

POLL_S = 0.1
# Of the lease: when to renew it.
RENEW_AT = 0.25
# How long somebody who cancels or pauses a run waits at most to be heard; one indexed row is read for it.
POLL_STATE_EVERY_S = 0.5
log = structlog.get_logger(__name__)


class AttemptMonitor:
    """The watch over one attempt.

    Args:
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
        self._watchdog = Watchdog(process, timeout_s=GIVE_UP_AT * context.settings.lease_s, started_at=held_since)
        self._started = self._last_event_at = time.monotonic()
        self._renew_after = self._poll_after = 0.0
        self._running = False
        self._stop: Stop | None = None
        self._limit = ""
        self._time_limit_s, self._time_limit = _time_limit(context.settings, claim)
        self._kill_at = float("inf")

    def run(self) -> AttemptOutcome:
        """Return what the trainer's end means.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database refuses what the trainer said.
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
            self._stop = Stop.TOO_LATE
        self._flush()
        return classify_exit(
            exit_code,
            stop=self._stop,
            failure=self._recorder.failure,
            recoveries=self._claim.recoveries,
            limits=self._limit,
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
        # From before the renewal was sent: never later than the database counts it.
        self._watchdog.renew(now)
        self._renew_after = now + RENEW_AT * lease_s
        self._poll_after = now + POLL_STATE_EVERY_S
        self._process.send_heartbeat()
        self._apply_state(state)

    def _renew(self, session: Session, lease_s: float) -> str:
        run: dict[str, Any] = {"run_id": self._claim.run_id, "attempt": self._claim.attempt}
        state = renew(session, **run, lease_s=lease_s)
        if state is RunState.STARTING and not self._running:
            self._running = mark_running(session, **run)
        return "lost" if state is None else state.value

    def _poll_state(self, now: float) -> None:
        """Look whether somebody wants the run to stop, or holds it by now."""
        if now < self._poll_after:
            return
        self._poll_after = now + POLL_STATE_EVERY_S
        try:
            with self._context.database.read() as session:
                state = held_state(session, run_id=self._claim.run_id, attempt=self._claim.attempt)
        except UNREACHABLE:
            # The next renewal says so, and by when it must succeed.
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
        """Read what is new and write it to SQL, what could not be written before first; return whether any was new."""
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
        elif now - self._last_event_at > settings.stall_timeout_s:
            self._limit = f"the trainer said nothing for stall_timeout_s, {settings.stall_timeout_s:g} s"
            self._ask_to_stop(Stop.STALLED)

    def _ask_to_stop(self, why: Stop) -> None:
        if self._stop is None:
            self._stop = why
            self._kill_at = time.monotonic() + self._context.settings.grace_s
            self._process.ask_to_stop()

    def _flush(self) -> None:
        """Bring everything that it still said into SQL, which refuses it once the lease is lost."""
        deadline = time.monotonic() + self._context.settings.lease_s
        while self._stop is not Stop.LEASE_LOST:
            new = self._collect()
            if not new and not self._pending and not self._pending_output:
                return
            self._keep_lease()
            if new:
                continue
            if time.monotonic() > deadline:
                # Without its last words it has no end that can be trusted: the reconciler takes it back.
                self._stop = Stop.LEASE_LOST
            time.sleep(POLL_S)

    def _try(self, work: Callable[[Session], str]) -> str | None:
        """Run a transaction; None when the database could not be reached just now."""
        try:
            with self._context.database.begin() as session:
                return work(session)
        except UNREACHABLE as error:
            log.warning("database_not_reached", error=str(error.orig))
            return None


def _time_limit(settings: Settings, claim: Claim) -> tuple[float, str]:
    """Return the attempt's time limit in seconds, the deployment's or the run's, and what to say when it is broken."""
    limits = [(float("inf"), "")]
    if settings.run_timeout_s is not None:
        said = f"the attempt took longer than run_timeout_s, {settings.run_timeout_s:g} s"
        limits.append((settings.run_timeout_s, said))
    if claim.timeout_s is not None and claim.time_left_s is not None:
        said = f"the run took longer than its timeout_s, {claim.timeout_s:g} s over all of its attempts"
        limits.append((claim.time_left_s, said))
    return min(limits)
