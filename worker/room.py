"""Whether another run may start: workers claim none below the reserve, and none while a backup is being restored."""

import structlog

from cellgate.contract.storage import RESTORING, room_in
from service.store.workers import record_room, recorded_room
from worker.context import UNREACHABLE, WorkerContext

log = structlog.get_logger(__name__)


def has_room(context: WorkerContext) -> bool:
    """Return whether the artifact folder has its reserve free; a folder that does not answer has not."""
    artifacts, reserve = context.settings.artifacts, context.settings.storage_reserve_bytes
    try:
        room = room_in(artifacts)
    except OSError as error:
        log.error("artifact_folder_does_not_answer", folder=str(artifacts), error=str(error))
        return False
    if room.holds(reserve):
        return True
    log.error("storage_full", folder=str(artifacts), free=str(room), reserve_bytes=reserve)
    return False


def may_start_runs(context: WorkerContext) -> bool:
    """Return whether another run may start, and let those that ask why runs wait know whether there is room."""
    work = context.settings.data_dir / RESTORING
    if work.exists():
        # Its rows come before its files.
        log.warning("restore_under_way", folder=str(work))
        return False
    there_is = has_room(context)
    try:
        with context.database.read() as session:
            changed = recorded_room(session, worker_id=context.worker_id) != there_is
        if changed:
            with context.database.begin() as session:
                record_room(session, worker_id=context.worker_id, has_room=there_is)
    except UNREACHABLE as error:
        log.warning("database_not_reached", error=str(error))
    return there_is
