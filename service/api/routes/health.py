"""Whether the service lives, and whether it can do its work."""

from fastapi import Response

from cellgate.contract.api.operations import Health
from service.api.context import Ctx
from service.api.scopes import OPEN, ScopedRouter

router = ScopedRouter(tags=["health"])


@router.get("/livez", OPEN)
async def live() -> dict[str, str]:
    """Check that the process answers."""
    # A coroutine: it answers while every thread is at work.
    return {"status": "ok"}


@router.get("/readyz", OPEN, responses={503: {"model": Health, "description": "Queued work does not move"}})
def ready(response: Response, context: Ctx) -> Health:
    """Check database, schema, broker and workers: 503 if queued work does not move, 200 while it does."""
    health = context.telemetry.health.look()
    response.status_code = 200 if health.ready else 503
    return health
