"""What was lost is found again: leases that ran out, doorbells nobody heard, pipelines that stood still.

Runs as a process of its own; two at once do no harm, since every step is a compare-and-set or a claim.
"""

import threading

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.dispatch import Bell
from service.settings import Settings
from service.store.database import Database
from service.store.lifecycle import due_for_dispatch, expire_leases
from service.store.pipeline import advance, after_run, idle_experiments, unfinished_datasets
from service.store.workers import retire_silent_workers

log = structlog.get_logger(__name__)

# A Redis that has forgotten this key has forgotten its messages too.
SENTINEL = "cellgate:sentinel"
SILENT_S = 3600.0


class Reconciler:
    """One look after another, until told to stop.

    Args:
        broker: A client of the broker, to see whether it was flushed or restarted.
    """

    def __init__(self, *, database: Database, bell: Bell, settings: Settings, broker: redis.Redis) -> None:
        self._database = database
        self._bell = bell
        self._settings = settings
        self._broker = broker

    def run(self, stop: threading.Event) -> None:
        """Look every `reconcile_every_s` until `stop` is set; an unreachable database or broker is waited for."""
        while not stop.wait(self._settings.reconcile_every_s):
            try:
                self.look()
            except SQLAlchemyError:
                log.warning("reconciler_waits_for_the_database", exc_info=True)

    def look(self) -> None:
        """Find what was lost, once.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database cannot be reached.
        """
        with self._database.begin() as session:
            lost = expire_leases(session)
            for run_id in lost:
                after_run(session, run_id=run_id, artifacts=self._settings.artifacts)
            retire_silent_workers(session, silent_s=SILENT_S)
        if lost:
            log.warning("leases_expired", runs=lost)
        self._advance()
        self._ring()

    def _advance(self) -> None:
        """Move on what should have moved when a run ended."""
        with self._database.read() as session:
            experiments = list(idle_experiments(session))
            runs = list(unfinished_datasets(session))
        for experiment_id in experiments:
            with self._database.begin() as session:
                advance(session, experiment_id=experiment_id, artifacts=self._settings.artifacts)
        for run_id in runs:
            with self._database.begin() as session:
                after_run(session, run_id=run_id, artifacts=self._settings.artifacts)

    def _ring(self) -> None:
        forgotten = self._broker_forgot()
        if forgotten is None:
            return
        redispatch_after_s = 0.0 if forgotten else self._settings.redispatch_after_s
        with self._database.begin() as session:
            due = due_for_dispatch(session, redispatch_after_s=redispatch_after_s)
        for run_id, queue in due:
            self._bell.ring(run_id, queue)

    def _broker_forgot(self) -> bool | None:
        """Whether the broker was flushed or restarted since the last look; None when it does not answer."""
        try:
            return bool(self._broker.set(SENTINEL, "1", nx=True))
        except (redis.RedisError, OSError):
            log.warning("broker_does_not_answer")
            return None
