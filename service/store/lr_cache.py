"""Cached learning rates and encodings that nobody uses any more: trainers write and touch them, no row names them.

An entry's time of modification is that of its last use. A run that has not ended may have read only what was used after
it was made, so entries go that were last used before the oldest such run was made. One that goes too early costs its
next reader a range test.
"""

import fcntl
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cellgate.contract.states import RunState
from service.store.database import now_s
from service.store.run_specs import LR_CACHE
from service.store.tables import RunRow

log = structlog.get_logger(__name__)
UNFINISHED = [state.value for state in RunState if not state.terminal]


def unused_since_s(session: Session, *, keep_s: float) -> float:
    """Return the time before which an entry must have been used last to go, in seconds since the epoch.

    Args:
        session: An open transaction.
        keep_s: How long an entry stays after its last use.
    """
    old = float(session.scalars(select(now_s())).one()) - keep_s
    oldest = session.scalar(select(func.min(RunRow.created_at)).where(RunRow.state.in_(UNFINISHED)))
    return old if oldest is None else min(old, oldest)


def remove_unused_entries(artifacts: Path, *, before_s: float) -> int:
    """Remove the entries that were last used before a time, with their locks, and return the number of files.

    Args:
        artifacts: The artifact root.
        before_s: Seconds since the epoch.
    """
    folder = artifacts / LR_CACHE
    old = [path for path in folder.rglob("*") if _was_used_before(path, before_s)] if folder.is_dir() else []
    return sum(_removed(path) for path in sorted(old))


def _was_used_before(path: Path, before_s: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < before_s
    # Another process has just removed it.
    except FileNotFoundError:
        return False


def _removed(path: Path) -> bool:
    """Remove a file if that is possible: one that is not removed holds up no other, nor the rest of housekeeping."""
    try:
        return _remove(path)
    except OSError as error:
        log.warning("lr_cache_entry_not_removed", path=str(path), error=str(error))
        return False


def _remove(path: Path) -> bool:
    """Remove a file unless a run looks for the rate of its key at this moment; return whether it is gone by this."""
    with suppress(FileNotFoundError), path.with_suffix(".lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # A file system without locks, where no run waits for another either.
            pass
        path.unlink()
        return True
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
