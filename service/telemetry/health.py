"""Whether the service can do its work: each dependency checked within a time limit, and what follows from it."""

from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cellgate.contract.api.operations import Checks, Health, HealthCheck, HealthStatus
from service.broker.notify import Notifier
from service.settings import Settings
from service.store.database import Database, schema_fault
from service.store.queue import queue_loads
from service.store.workers import serving_workers
from service.telemetry.background import BackgroundHealth
from service.telemetry.storage_check import database_detail, is_full, storage_check
from service.telemetry.time_limit import TimeLimitedProbe

LIMIT_S = 2.0
UNKNOWN = HealthCheck(ok=False, detail="not known: the check of the database failed")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoreFindings:
    """What the database says.

    Args:
        database: Whether it answers.
        migrations: Whether its schema is the newest.
        workers: Whether every queue with waiting runs is served.
        background: Whether the work is done that no request waits for.
        finders: Workers that find runs by themselves, without a notification.
        deaf: How many of these hear no notifications.
    """

    database: HealthCheck
    migrations: HealthCheck
    workers: HealthCheck
    background: HealthCheck
    finders: int = 0
    deaf: int = 0


def _away(detail: str) -> StoreFindings:
    away = HealthCheck(ok=False, detail=detail)
    return StoreFindings(database=away, migrations=UNKNOWN, workers=UNKNOWN, background=UNKNOWN)


class HealthProbe:
    """Checks the service's dependencies.

    Args:
        database: Of the service.
        notifier: Tells what is wrong with the broker.
        settings: Name the artifact folder and its reserve.
        limit_s: How long each dependency may take to answer.
    """

    def __init__(self, database: Database, notifier: Notifier, settings: Settings, *, limit_s: float = LIMIT_S) -> None:
        self._database = database
        self._settings = settings
        self._background = BackgroundHealth()
        late = f"it does not answer within {limit_s:g} s"
        self._store = TimeLimitedProbe(self._ask_store, late=_away(f"the database: {late}"), limit_s=limit_s)
        self._broker = TimeLimitedProbe[str | None](notifier.problem, late=late, limit_s=limit_s)

    def look(self) -> Health:
        """Return the health as it is now."""
        store, problem = self._store.answer(), self.broker_problem()
        broker = _broker_check(problem, store)
        checks = Checks(
            database=store.database,
            migrations=store.migrations,
            broker=broker,
            workers=store.workers,
            storage=storage_check(self._settings),
            background=store.background,
        )
        failed = [name for name, check in checks if not check.ok]
        status = _status(checks, problem, store, failed)
        if is_full(self._settings):
            status = HealthStatus.DOWN
        return Health(ready=status is not HealthStatus.DOWN, status=status, failed=failed, checks=checks)

    def broker_problem(self) -> str | None:
        """Return what is wrong with the broker; None if it takes messages."""
        return self._broker.answer()

    def _ask_store(self) -> StoreFindings:
        there = HealthCheck(ok=True, detail="it answers")
        try:
            if fault := schema_fault(self._database):
                # Another schema may lack the columns that are read here.
                unknown = HealthCheck(ok=False, detail="not known with this schema")
                old = HealthCheck(ok=False, detail=fault)
                return StoreFindings(database=there, migrations=old, workers=unknown, background=unknown)
            background = self._background.check(self._database)
            with self._database.read() as session:
                return _findings(session, there, background)
        except SQLAlchemyError as error:
            log.error("database_check_failed", error=str(error))
            return _away(database_detail(error))


def _findings(session: Session, there: HealthCheck, background: HealthCheck) -> StoreFindings:
    finders = [worker for worker in serving_workers(session) if worker.listening is not None]
    return StoreFindings(
        database=there,
        migrations=HealthCheck(ok=True, detail="the schema is that of this release"),
        workers=_workers_check(session),
        background=background,
        finders=len(finders),
        deaf=sum(not worker.listening for worker in finders),
    )


def _workers_check(session: Session) -> HealthCheck:
    deserted = [load for load in queue_loads(session) if load.queued and not load.workers]
    if not deserted:
        return HealthCheck(ok=True, detail="every queue in which runs wait is served")
    # No names: this route needs no token.
    runs = sum(load.queued for load in deserted)
    detail = f"{runs} queued run(s) wait in {len(deserted)} queue(s) that no worker serves: see GET /v1/queues"
    return HealthCheck(ok=False, detail=detail)


def _broker_check(problem: str | None, store: StoreFindings) -> HealthCheck:
    if problem is not None:
        goes_on = f"{store.finders} worker(s) look for runs at their heartbeats" if store.finders else "no worker does"
        return HealthCheck(ok=False, detail=f"the broker at CELLGATE_REDIS_URL: {problem}; without it {goes_on}")
    if store.deaf:
        detail = (
            f"it takes messages, but {store.deaf} of {store.finders} worker(s) do not hear them: see GET /v1/workers"
        )
        return HealthCheck(ok=False, detail=detail)
    return HealthCheck(ok=True, detail="it takes messages")


def _status(checks: Checks, problem: str | None, store: StoreFindings, failed: list[str]) -> HealthStatus:
    stands_still = problem is not None and not store.finders
    if not checks.database.ok or not checks.migrations.ok or stands_still:
        return HealthStatus.DOWN
    return HealthStatus.DEGRADED if failed else HealthStatus.OK
