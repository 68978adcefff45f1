"""Recover from losses: expired leases and queue timeouts, lost notifications, pipelines that stopped.

It runs as a process of its own. Two at once do no harm: every step is a compare-and-set or a claim. It trusts no wall
clock: it takes a lease back once it has itself seen, by its monotonic clock, that nobody renewed it for its length.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import islice

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.broker.notify import Notifier
from service.settings import Settings
from service.store.backlog import EVERYTHING, look
from service.store.conclusions import store_missing_conclusions
from service.store.database import Database
from service.store.dispatch import due_for_dispatch
from service.store.experiments import cancel_leftovers
from service.store.lifecycle import expire_leases, expire_queued
from service.store.pauses import pause_leftovers, resume_leftovers
from service.store.pipeline import advance, after_run, idle_experiments, unfinished_datasets
from service.store.workers import retire_silent_workers
from service.supervision import Supervision
from worker.observed_time import ObservedTime

log = structlog.get_logger(__name__)

# A Redis without this key was flushed or restarted, and has lost its messages too.
SENTINEL = "cellgate:sentinel"
SILENT_S = 3600.0
LEASES_AT_ONCE = 20
# Who waits for SQLite's writer looks again after a tenth of a second: without a pause, nobody else would get it.
BETWEEN_BATCHES_S = 0.15
# A message wakes a worker for any run: however many wait, so many wake all.
MESSAGES_AT_ONCE = 32


class Reconciler:
    """Recovers lost runs periodically.

    Args:
        database: Where the runs are.
        notifier: Wakes workers.
        settings: Of the deployment.
        broker: A client of the broker, to detect that it was flushed or restarted.
        on_round: Called after every round with the time, by `time.monotonic()`, when the database was last reached.
    """

    def __init__(
        self,
        *,
        database: Database,
        notifier: Notifier,
        settings: Settings,
        broker: redis.Redis,
        on_round: Callable[[float], None] = lambda _reached_at: None,
        supervision: Supervision | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._notifier = notifier
        self._settings = settings
        self._broker = broker
        self._on_round = on_round
        self._supervision = supervision or Supervision("reconciler")
        self._time = ObservedTime(database, settings, clock=clock)
        self._changed: list[str] = []
        self._backlog = EVERYTHING
        self._acted = False

    def run(self, stop: threading.Event) -> None:
        """Reconcile every `reconcile_every_s` until `stop` is set; wait while database or broker are unreachable."""
        reached_at = time.monotonic()
        while not stop.wait(self._settings.reconcile_every_s):
            try:
                self.reconcile()
                reached_at = time.monotonic()
            except SQLAlchemyError as error:
                log.warning("reconciler_waits_for_the_database", error=str(error))
            self._on_round(reached_at)

    def reconcile(self) -> None:
        """Recover lost runs, once; a step that fails does not keep the others from their work.

        Where there is nothing to do, it reads and writes nothing but the uptime, every two seconds.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached.
        """
        self._acted = False
        steps = (self._expire_leases, self._look, self._expire_queued, self._tidy_up, self._move_on, self._notify)
        for step in steps:
            try:
                step()
            except SQLAlchemyError:
                raise
            # A bug in one step must not stop the recovery that the others do.
            except Exception as error:  # noqa: BLE001 - reported
                self._supervision.report(f"reconciler: {step.__name__.strip('_')}", error)

    def _expire_leases(self) -> None:
        unchanged = iter(self._time.look().items())
        # Of a thousand at once, not all in one transaction: others want to write too.
        while batch := dict(islice(unchanged, LEASES_AT_ONCE)):
            with self._database.begin() as session:
                lost = expire_leases(session, batch)
            if lost:
                log.warning("leases_expired", runs=lost)
            self._change(lost)
            if len(batch) == LEASES_AT_ONCE:
                time.sleep(BETWEEN_BATCHES_S)

    def _look(self) -> None:
        after_s = self._settings.redispatch_after_s
        with self._database.read_rows() as connection:
            self._backlog = look(connection, silent_s=SILENT_S, redispatch_after_s=after_s)

    # Each in a transaction of its own: a holder of an experiment's lock may not wait for runs or jobs again.
    def _expire_queued(self) -> None:
        if not self._backlog.overdue:
            return
        with self._database.begin() as session:
            overdue = expire_queued(session)
        if overdue:
            log.warning("queued_for_too_long", runs=overdue)
        self._change(overdue)

    def _change(self, runs: list[str]) -> None:
        self._changed += runs
        self._acted = self._acted or bool(runs)

    def _tidy_up(self) -> None:
        found = self._backlog
        if not (found.leftovers or found.conclusions or found.silent):
            return
        self._acted = True
        with self._database.begin() as session:
            cancel_leftovers(session)
            store_missing_conclusions(session)
            retire_silent_workers(session, silent_s=SILENT_S)
        with self._database.begin() as session:
            pause_leftovers(session)
        with self._database.begin() as session:
            resume_leftovers(session)

    def _move_on(self) -> None:
        """Advance pipelines that a run's end should have advanced."""
        artifacts = self._settings.artifacts
        with self._database.read_rows() as connection:
            ended = {*self._changed, *unfinished_datasets(connection)}
            experiments = list(idle_experiments(connection))
        for run_id in sorted(ended):
            self._try(run_id, partial(after_run, run_id=run_id, artifacts=artifacts))
        # Only now: had the database been lost before, the next round would have to know of them.
        self._changed = []
        for found in experiments:
            self._try(found, partial(advance, experiment_id=found, artifacts=artifacts))

    def _try(self, subject: str, move_on: Callable[[Session], object]) -> None:
        self._acted = True
        try:
            with self._database.begin() as session:
                move_on(session)
        except SQLAlchemyError:
            raise
        # One experiment that fails here must not hold up all others.
        except Exception:
            log.exception("pipeline_not_advanced", subject=subject)

    def _notify(self) -> None:
        try:
            # Setting the sentinel succeeds only where it is missing: then the broker was flushed or restarted.
            was_flushed = bool(self._broker.set(SENTINEL, "1", nx=True))
            if was_flushed or self._acted or self._backlog.undispatched:
                self._notify_for(0.0 if was_flushed else self._settings.redispatch_after_s)
        except (redis.RedisError, OSError):
            log.warning("broker_unreachable")

    def _notify_for(self, redispatch_after_s: float) -> None:
        with self._database.begin() as session:
            due = due_for_dispatch(session, redispatch_after_s=redispatch_after_s, limit=MESSAGES_AT_ONCE)
        runs_by_queue: dict[str, list[str]] = defaultdict(list)
        for run_id, queue in due:
            runs_by_queue[queue].append(run_id)
        for queue, runs in runs_by_queue.items():
            # Any message wakes a worker for any run: while all are busy, the messages in the queue are enough.
            waiting = int(self._broker.llen(queue))
            for run_id in runs[waiting:]:
                self._notifier.notify(run_id, queue)
