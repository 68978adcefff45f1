"""Housekeeping in the reconciler's process: remove files of what was deleted, apply retention, measure what is stored.

Two at once do no harm: a removal is locked while it is carried out, and everything else gives the same twice.
"""

import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.domain.principals import SYSTEM
from service.settings import Settings
from service.store import lr_cache, old_deliveries, removals, retention, storage
from service.store.artifact_store import UPLOADS, LocalStore
from service.store.audit import Actor, Entry, prune_audit, record
from service.store.database import Database, now_s
from service.store.uploads import adopt_upload, known_keys

EVERY_S = 2.0
RETENTION_EVERY_S = 60.0
DAY_S = 86_400.0
log = structlog.get_logger(__name__)


class Housekeeper:
    """Removes, thins and measures.

    Args:
        database: Whose rows name the files.
        settings: Of the deployment.
    """

    def __init__(self, *, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._store = LocalStore(settings.data_dir)
        self._due = {self.apply_retention: 0.0, self.measure: 0.0}
        self._every_s = {self.apply_retention: RETENTION_EVERY_S, self.measure: settings.measure_every_s}

    def run(self, stop: threading.Event) -> None:
        """Keep house until `stop` is set; wait while database or disk are unreachable."""
        while not stop.wait(EVERY_S):
            self._try(self.remove_files)
            for task, due in self._due.items():
                if time.monotonic() >= due:
                    self._try(task)
                    self._due[task] = time.monotonic() + self._every_s[task]

    def remove_files(self) -> int:
        """Carry out every removal that is due and return their number."""
        with self._database.read_rows() as connection:
            if not removals.is_anything_due(connection):
                return 0
        count = 0
        while (removal := self._withdraw_next()) is not None:
            self._store.purge(removal.ticket)
            if removal.finished:
                with self._database.begin() as session:
                    removals.finish(session, removal)
            count += 1
        return count

    def apply_retention(self) -> None:
        """Remove what the settings let go by itself; of a long backlog a part, and the rest the next time."""
        settings = self._settings
        retention.forget_answers(self._database, keep_s=settings.keep_idempotency_days * DAY_S)
        prune_audit(self._database, kept_s=settings.keep_audit_days * DAY_S)
        old_deliveries.give_up_old_deliveries(self._database)
        old_deliveries.delete_ended_deliveries(self._database, keep_s=settings.keep_deliveries_days * DAY_S)
        old_deliveries.delete_orphaned_deliveries(self._database)
        self._remove_lr_entries(settings.keep_lr_cache_days)
        if settings.keep_checkpoints_days is not None:
            self._remove_checkpoints(settings.keep_checkpoints_days)
        if settings.keep_metrics_days is not None:
            self._thin_curves(settings.keep_metrics_days)

    def measure(self) -> None:
        """Measure what is stored, and record uploads that a process of the release before has stored without a row."""
        with self._database.read() as session:
            owners = storage.owners_of_runs(session)
        parts = storage.measure_files(self._store, owners)
        with self._database.begin() as session:
            storage.store_measured(session, parts)
        self._adopt_uploads()

    def _withdraw_next(self) -> removals.Removal | None:
        with self._database.begin() as session:
            return removals.withdraw_next(session, self._store, self._settings.data_dir)

    def _remove_checkpoints(self, keep_days: float) -> None:
        while True:
            with self._database.begin() as session:
                before_s = self._before_s(session.scalars(now_s().select()).one(), keep_days)
                spare = retention.attempts_with_spare_checkpoints(session, before_s=before_s)
                retention.remove_checkpoints(session, spare)
                if spare:
                    entry = Entry(action="remove_checkpoints", kind="run", detail={"attempts": len(spare)})
                    record(session, Actor(principal=SYSTEM), entry)
            if not spare:
                return

    def _thin_curves(self, keep_days: float) -> None:
        while True:
            with self._database.begin() as session:
                before_s = self._before_s(session.scalars(now_s().select()).one(), keep_days)
                thinned = retention.thin_next_curves(session, before_s=before_s)
                for run_id in thinned:
                    record(session, Actor(principal=SYSTEM), Entry(action="thin_curves", kind="run", object_id=run_id))
            if not thinned:
                return

    def _remove_lr_entries(self, keep_days: float) -> None:
        with self._database.read() as session:
            before_s = lr_cache.unused_since_s(session, keep_s=keep_days * DAY_S)
        removed = lr_cache.remove_unused_entries(self._settings.artifacts, before_s=before_s)
        if removed:
            entry = Entry(action="prune_lr_cache", kind="lr_cache", detail={"files": removed})
            with self._database.begin() as session:
                record(session, Actor(principal=SYSTEM), entry)

    @staticmethod
    def _before_s(now: float, keep_days: float) -> float:
        return now - keep_days * DAY_S

    def _adopt_uploads(self) -> None:
        with self._database.read() as session:
            known = known_keys(session)
        for file in list(self._store.list(UPLOADS)):
            folder, _, name = file.key.removeprefix(f"{UPLOADS}/").partition("/")
            if file.key in known or not name or folder.startswith("."):
                continue
            try:
                digest = self._store.sha256(file.key)
            # Removed since it was listed.
            except FileNotFoundError:
                continue
            with self._database.begin() as session:
                adopt_upload(session, self._store, key=file.key, size_bytes=file.size_bytes, sha256=digest)

    def _try(self, task: Callable[[], object]) -> None:
        try:
            task()
        except SQLAlchemyError as error:
            log.warning("housekeeping_waits_for_the_database", error=str(error))
        # One file that cannot be read or removed must not end the thread.
        except Exception:
            log.exception("housekeeping_failed", task=getattr(task, "__name__", "task"))
