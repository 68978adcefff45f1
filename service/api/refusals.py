"""Refused changes in the audit log: who tried what that needs other rights."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from cellgate.contract.api.audit import AuditOutcome
from service.api.actors import actor_of, entry_of
from service.store.audit import Actor, Entry, record
from service.store.database import Database

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Of one principal: whoever is refused in a loop must not fill the disk.
MOST_PER_PERIOD = 60
PERIOD_S = 60.0
log = structlog.get_logger(__name__)


@dataclass
class _Period:
    begun: float
    recorded: int = 0
    left_out: int = 0


class Refusals:
    """Adds refused changes to the audit log, at most `MOST_PER_PERIOD` of a principal in `PERIOD_S`.

    Args:
        database: Has the log.
        clock: Returns seconds that never go back.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._periods: dict[str, _Period] = {}

    async def note(self, request: Request, status: int) -> None:
        """Add a request that was answered with this status, if it was a change that the sender has no right to."""
        if status != HTTPStatus.FORBIDDEN or request.method not in CHANGING:
            return
        if getattr(request.state, "principal", None) is None:
            return
        actor = actor_of(request)
        left_out = self._admit(actor.principal.id)
        if left_out is None:
            return
        detail = {"code": request.state.refused_with, **({"left_out_before": left_out} if left_out else {})}
        entry = entry_of(request, outcome=AuditOutcome.REFUSED, detail=detail)
        await run_in_threadpool(self._record, actor, entry)

    def _admit(self, principal_id: str) -> int | None:
        """Return how many were left out before this one, or None if this one is too."""
        now = self._clock()
        period = self._periods.get(principal_id)
        if period is None or now - period.begun >= PERIOD_S:
            period = _Period(begun=now, left_out=0 if period is None else period.left_out)
            self._periods[principal_id] = period
        if period.recorded >= MOST_PER_PERIOD:
            period.left_out += 1
            return None
        period.recorded += 1
        left_out, period.left_out = period.left_out, 0
        return left_out

    def _record(self, actor: Actor, entry: Entry) -> None:
        try:
            with self._database.begin() as session:
                record(session, actor, entry)
        except SQLAlchemyError as error:
            # The refusal stands, whether it can be noted or not.
            log.warning("refusal_not_recorded", action=entry.action, error=str(error))
