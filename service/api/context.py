"""The context of every route: settings, database, notifier; created once, in the composition root."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from cellgate.contract.states import Waiting
from service.api.attempts import Attempts
from service.api.auth import Permit, TokenCache
from service.api.batch_reader import BatchReader
from service.api.list_watch import ListWatch
from service.api.long_poll import VersionWatcher
from service.api.notifications import Notifications
from service.api.polled_answers import PolledAnswer
from service.api.refusals import Refusals
from service.api.run_files import Hashes
from service.broker.notify import Notifier
from service.settings import Settings
from service.store.database import Database
from service.store.queue import waiting_of
from service.store.tables import ListedRun
from service.store.versions import PollState
from service.telemetry.metrics import Telemetry


@dataclass(frozen=True, kw_only=True)
class Context:
    """Shared objects of the routes."""

    settings: Settings
    database: Database
    notifier: Notifier
    notifications: Notifications
    tokens: TokenCache
    versions: VersionWatcher
    output: VersionWatcher
    lists: ListWatch
    load_poll_states: BatchReader[PollState]
    run_statuses: BatchReader[PolledAnswer]
    telemetry: Telemetry
    hashes: Hashes
    refusals: Refusals
    attempts: Attempts

    def waiting(self, session: Session, runs: Iterable[ListedRun]) -> dict[str, Waiting]:
        """Return the waiting reason of each of these runs, by id."""
        return waiting_of(session, runs, max_running=self.settings.max_running_runs)


def context_of(request: Request) -> Context:
    """Return the context of the app that a request was sent to."""
    return cast(Context, request.app.state.context)


async def _context(request: Request) -> Context:
    # A coroutine, so that no thread is taken for it.
    return context_of(request)


Ctx = Annotated[Context, Depends(_context)]


async def _permit(request: Request, context: Ctx) -> Permit:
    return Permit(request, context.tokens)


Permitted = Annotated[Permit, Depends(_permit)]
