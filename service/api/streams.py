"""Server-sent events: what happens to a run, as it happens, until the run has ended.

Source:
    WHATWG HTML, section 9.2 (server-sent events).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import structlog
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.api.long_poll import VersionWatcher

KEEP_ALIVE_S = 15.0
RETRY_MS = 1000
log = structlog.get_logger(__name__)
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, kw_only=True)
class News:
    """What one look has found.

    Args:
        version: Of everything that the run has said, before the look.
        items: Each with the cursor after it, oldest first.
        more: Whether there are further ones already.
        final: The state that the run has ended in; None while it goes on.
    """

    version: int
    items: Sequence[tuple[str, BaseModel]]
    more: bool
    final: str | None


def stream_of(
    name: str, run_id: str, cursor: str, look: Callable[[str], News], versions: VersionWatcher
) -> StreamingResponse:
    """Return everything after `cursor`, and what comes later, as events called `name`.

    Nothing is held while it waits: neither a connection to the database nor a thread.

    Args:
        look: Returns what follows a cursor; called in a thread.
    """
    found = _events(name, run_id, cursor, look, versions)
    return StreamingResponse(found, media_type="text/event-stream", headers=HEADERS)


async def _events(
    name: str, run_id: str, cursor: str, look: Callable[[str], News], versions: VersionWatcher
) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    clock = asyncio.get_running_loop().time
    said_at = clock()
    while True:
        try:
            news = await run_in_threadpool(look, cursor)
        except SQLAlchemyError as error:
            # The caller asks again after its last event, and is told then what is wrong.
            log.error("stream_cut", run=run_id, error=str(error))
            return
        for cursor, item in news.items:
            yield f"id: {cursor}\nevent: {name}\ndata: {item.model_dump_json()}\n\n"
            said_at = clock()
        if news.more:
            continue
        if news.final is not None:
            yield f"event: end\ndata: {json.dumps({'run': run_id, 'state': news.final})}\n\n"
            return
        if versions.closed:
            return
        if clock() - said_at >= KEEP_ALIVE_S:
            yield ": still here\n\n"
            said_at = clock()
        # Counted from what was said last, so that a caller who gives up after twice as long never does.
        await versions.wait_for_version(run_id, news.version, timeout_s=max(said_at + KEEP_ALIVE_S - clock(), 0))
