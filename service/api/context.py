"""What every route is given: settings, database, doorbell; made once, in the composition root."""

from dataclasses import dataclass
from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError

from service.dispatch import Bell
from service.settings import Settings
from service.store.database import Database
from service.store.lifecycle import due_for_dispatch

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the routes work with."""

    settings: Settings
    database: Database
    bell: Bell

    def ring(self) -> None:
        """Ring for every run that was queued and not rung for yet; what fails is rung again by the reconciler."""
        try:
            with self.database.begin() as session:
                due = due_for_dispatch(session, redispatch_after_s=self.settings.redispatch_after_s)
        except SQLAlchemyError as error:
            # What was asked for is committed: the caller must not be told otherwise.
            log.warning("not_rung", error=str(error))
            return
        for run_id, queue in due:
            if not self.bell.ring(run_id, queue):
                return  # A broker that is away is away for the others too: nobody waits for that once per run.


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(_context)]
