"""Whether the service lives, and whether it can do its work."""

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from service.api.context import Context, Ctx
from service.store.database import schema_is_current

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What the service needs, and whether it is there."""

    ready: bool
    checks: dict[str, bool]


@router.get("/livez")
def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Health, "description": "Something it needs is missing"}})
def ready(response: Response, context: Ctx) -> Health:
    """Say whether database, schema and broker are there; 503 if not."""
    checks = {"database": _schema(context), "broker": context.bell.answers()}
    health = Health(ready=all(checks.values()), checks=checks)
    response.status_code = 200 if health.ready else 503
    return health


def _schema(context: Context) -> bool:
    try:
        return schema_is_current(context.database)
    except SQLAlchemyError:
        return False
