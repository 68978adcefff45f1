"""Whether the service lives, and whether it can do its work."""

import structlog
from fastapi import Response
from sqlalchemy.exc import SQLAlchemyError

from cellgate.contract.api.operations import Checks, Health, HealthCheck
from service.api.context import Context, Ctx
from service.api.scopes import OPEN, ScopedRouter
from service.store.database import Database, schema_is_current
from service.store.queue import queue_loads

router = ScopedRouter(tags=["health"])
log = structlog.get_logger(__name__)


UNKNOWN = HealthCheck(ok=False, detail="not known: the database does not answer")
OTHER_SCHEMA = HealthCheck(ok=False, detail="not known with this schema")


@router.get("/livez", OPEN)
def live() -> dict[str, str]:
    """Check that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", OPEN, responses={503: {"model": Health, "description": "A dependency failed its check"}})
def ready(response: Response, context: Ctx) -> Health:
    """Check database, schema and broker: 503 if one fails. Missing workers are shown, but do not change the status."""
    checks = _checks(context)
    health = Health(ready=checks.database.ok and checks.migrations.ok and checks.broker.ok, checks=checks)
    response.status_code = 200 if health.ready else 503
    return health


def _checks(context: Context) -> Checks:
    broker = _broker(is_reachable=context.notifier.is_reachable())
    try:
        current = schema_is_current(context.database)
        # Another schema may lack the columns that are read here.
        workers = _workers(context.database) if current else OTHER_SCHEMA
        background = context.background.check(context.database) if current else OTHER_SCHEMA
    except SQLAlchemyError as error:
        log.error("database_not_reached", error=str(error))
        away = HealthCheck(ok=False, detail="the database does not answer; see the log")
        return Checks(database=away, migrations=UNKNOWN, broker=broker, workers=UNKNOWN, background=UNKNOWN)
    there = HealthCheck(ok=True, detail="it answers")
    migrations = _migrations(current=current)
    return Checks(database=there, migrations=migrations, broker=broker, workers=workers, background=background)


def _broker(*, is_reachable: bool) -> HealthCheck:
    if is_reachable:
        return HealthCheck(ok=True, detail="it answers")
    return HealthCheck(ok=False, detail="the broker at CELLGATE_REDIS_URL does not answer; what is submitted is kept")


def _migrations(*, current: bool) -> HealthCheck:
    if current:
        return HealthCheck(ok=True, detail="the schema is the newest")
    return HealthCheck(ok=False, detail="the schema is not the one of this version: run `cellgate migrate`")


def _workers(database: Database) -> HealthCheck:
    with database.read() as session:
        loads = queue_loads(session)
    deserted = [load for load in loads if load.queued and not load.workers]
    if not deserted:
        return HealthCheck(ok=True, detail="every queue in which runs wait is served")
    # No names: this route needs no token.
    runs = sum(load.queued for load in deserted)
    detail = f"{runs} queued run(s) wait in {len(deserted)} queue(s) that no worker serves: see GET /v1/queues"
    return HealthCheck(ok=False, detail=detail)
