"""What an earlier attempt said before its checkpoint, and whoever supervised it never brought into SQL.

The trainer goes on from that checkpoint and says none of it again: without this the curves would have a gap. The
earlier attempt may be one of a run in whose place this one is.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cellgate.contract.artifacts import EVENTS_NAME
from service.store.claims import Claim
from service.store.recording import holder, record_position
from service.store.tables import AttemptRow, RunRow
from trainers.engine.run_folder import last_event
from worker.context import UNREACHABLE, WorkerContext
from worker.recorder import sort_events, write_batch
from worker.tail import EventTail

log = structlog.get_logger(__name__)


def catch_up(context: WorkerContext, claim: Claim) -> None:
    """Write what is missing from before the checkpoint that the attempt goes on from, as said by this attempt.

    A gap in the curves is no reason to keep a trainer waiting: what cannot be read or written now stays missing.
    """
    if claim.resume_from is None:
        return
    try:
        with context.database.begin() as session:
            _catch_up(session, claim, context.settings.artifacts, claim.resume_from)
    except (*UNREACHABLE, OSError, ValueError, KeyError):
        log.warning("not_caught_up", exc_info=True)


def _catch_up(session: Session, claim: Claim, artifacts: Path, checkpoint: str) -> None:
    earlier = session.scalar(
        select(AttemptRow)
        .join(RunRow, AttemptRow.run_id == RunRow.id)
        .where(RunRow.job_id == claim.job_id, RunRow.seed == claim.seed, AttemptRow.checkpoint == checkpoint)
    )
    if earlier is None or holder(session, claim.run_id, claim.attempt) is None:
        return
    until = last_event(artifacts / checkpoint)
    path = artifacts / earlier.path / EVENTS_NAME
    missing = [event for event in _whole(path) if earlier.last_event < event["n"] <= until]
    if not missing:
        return
    # The checkpoint itself is registered: it is what this attempt was given.
    write_batch(session, claim, replace(sort_events(missing), checkpoint=None))
    record_position(session, run_id=claim.run_id, attempt=claim.attempt, last_event=missing[-1]["n"], earlier=earlier)


def _whole(path: Path) -> Iterator[dict[str, Any]]:
    tail = EventTail(path)
    while events := tail.read():
        yield from events
