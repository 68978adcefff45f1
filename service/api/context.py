"""What every route is given: settings, database, doorbell; made once, in the composition root."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from service.dispatch import Bell, ring_for_waiting
from service.settings import Settings
from service.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the routes work with."""

    settings: Settings
    database: Database
    bell: Bell

    def ring(self) -> None:
        """Wake the workers for every run that waits and was not rung for lately."""
        ring_for_waiting(self.database, self.bell, redispatch_after_s=self.settings.redispatch_after_s)


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(_context)]
