"""Server-sent events: a run's output and events as they are stored, until the run has ended.

Source:
    WHATWG HTML, section 9.2 (server-sent events).
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import structlog
from fastapi.sse import ServerSentEvent
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.api.auth import Permit
from service.api.long_poll import VersionWatcher
from service.domain.errors import Unauthorized

# FastAPI sends a comment after as long a silence, so that no proxy takes the connection for dead.
WAIT_S = 15.0
RETRY_MS = 1000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class News:
    """What one look has found.

    Args:
        version: Version of the run's output and events before the look.
        items: Each with the cursor after it, oldest first.
        more: Whether there are further ones already.
        final: State in which the run has ended; None while it goes on.
    """

    version: int
    items: Sequence[tuple[str, BaseModel]]
    more: bool
    final: str | None


async def stream_events_of(
    name: str, run_id: str, cursor: str, look: Callable[[str], News], versions: VersionWatcher, permit: Permit
) -> AsyncIterator[ServerSentEvent]:
    """Yield all items after `cursor`, later ones too, as events called `name`; last an event `end`.

    Once the caller's token is revoked or has expired, the last one is an event `refused` with the problem's code.

    Nothing is held while it waits: neither a connection to the database nor a thread.

    Args:
        name: `event` field of every item.
        run_id: Run whose items they are.
        cursor: `Last-Event-ID` of the caller, or the start.
        look: Returns what follows a cursor; called in a thread.
        versions: Wakes the stream when the run has a newer version.
        permit: Of the request.
    """
    yield ServerSentEvent(retry=RETRY_MS)
    while True:
        try:
            await permit.check()
            news = await run_in_threadpool(look, cursor)
        except SQLAlchemyError as error:
            # The caller connects again after its last event, and gets the reason then.
            log.error("stream_cut", run=run_id, error=str(error))
            return
        except Unauthorized as error:
            yield _refused(error)
            return
        for cursor, item in news.items:
            yield ServerSentEvent(id=cursor, event=name, data=item)
        if news.more:
            continue
        if news.final is not None:
            yield ServerSentEvent(event="end", data={"run": run_id, "state": news.final})
            return
        if versions.closed:
            return
        try:
            await versions.wait_permitted(run_id, news.version, timeout_s=WAIT_S, permit=permit)
        except Unauthorized as error:
            yield _refused(error)
            return


def _refused(error: Unauthorized) -> ServerSentEvent:
    return ServerSentEvent(event="refused", data={"code": error.code, "detail": error.detail})
