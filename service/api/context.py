"""What every route is given: settings, database, doorbell; made once, in the composition root."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from service.dispatch import Bell
from service.settings import Settings
from service.store.database import Database
from service.store.lifecycle import due_for_dispatch


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the routes work with."""

    settings: Settings
    database: Database
    bell: Bell

    def ring(self) -> None:
        """Ring for every run that was queued and not rung for yet; what fails is rung again by the reconciler."""
        with self.database.begin() as session:
            due = due_for_dispatch(session, redispatch_after_s=self.settings.redispatch_after_s)
        for run_id, queue in due:
            self.bell.ring(run_id, queue)


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(_context)]
