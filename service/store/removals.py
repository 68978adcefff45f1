"""Files to be removed: queued with the deletion of their rows, and removed by the reconciler, whenever it crashes.

A removal is looked at twice. A writer whose lease was lost may go on for a moment and leave files in a folder that was
just removed; the second look takes those.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, Select, delete, insert, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.store.artifact_store import ARTIFACTS, UPLOADS, ArtifactStore, BadKey, artifact_key
from service.store.database import Reader, now_s
from service.store.dataset_sources import inspections_of, reads_source
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.tables import AttemptRow, DatasetRow, RemovalRow, RunRow, UploadRow

# Longer than any lease and the grace after it.
SECOND_LOOK_S = 2 * 3600.0
# A file that something still uses, or that cannot be removed, is looked at again after this.
STILL_USED_S = 3600.0
_ANY_DUE = select(select(RemovalRow.id).where(RemovalRow.due_at <= now_s()).exists())
RUN_KEY = re.compile(rf"^{ARTIFACTS}/runs/(run_[0-9A-Z]{{26}})(/.*)?$")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """A removal whose files were withdrawn.

    Args:
        ticket: For `ArtifactStore.purge`.
        finished: Whether the row can go once the files are purged: this was the second look.
    """

    id: int
    ticket: str
    finished: bool


def run_folder_key(run_id: str) -> str:
    """Return the key of the folder that holds all attempts of a run."""
    return artifact_key(f"runs/{run_id}")


def queue_removals(session: Session, keys: Iterable[str]) -> None:
    """Have the files at and below these keys removed, once the transaction commits and unless something uses them."""
    rows = [{"key": key} for key in keys]
    if rows:
        session.execute(insert(RemovalRow).values(created_at=now_s(), due_at=now_s()), rows)


def is_anything_due(reader: Reader) -> bool:
    """Return whether `withdraw_next` would find something; takes no lock."""
    return bool(reader.scalar(_ANY_DUE))


def withdraw_next(session: Session, store: ArtifactStore, data_dir: Path) -> Removal | None:
    """Withdraw the files of the next removal that is due; return None if there is none.

    Call `purge` with its ticket after the commit, and then `finish` if it is finished: a crash in between leaves the
    row, and the next call does it again.

    Args:
        session: A transaction of its own.
        store: Where the files are.
        data_dir: What sources of data sets that lie in the store begin with.
    """
    # Before the row's lock: whoever stores an upload takes both in this order.
    one_at_a_time(session, AdvisoryLock.UPLOADS)
    chosen = select(RemovalRow).where(RemovalRow.due_at <= now_s()).order_by(RemovalRow.due_at, RemovalRow.id).limit(1)
    row = session.scalar(chosen.with_for_update(skip_locked=True))
    if row is None:
        return None
    if _is_used(session, row.key, data_dir):
        _set(session, row.id, due_at=now_s() + STILL_USED_S, removed_at=None)
        return Removal(id=row.id, ticket=str(row.id), finished=False)
    try:
        store.withdraw(row.key, str(row.id))
    # It must not keep the next ones waiting.
    except (OSError, BadKey) as error:
        log.warning("file_not_removed", key=row.key, error=str(error), again_in_s=STILL_USED_S)
        _set(session, row.id, due_at=now_s() + STILL_USED_S)
        return Removal(id=row.id, ticket=str(row.id), finished=False)
    if row.removed_at is None:
        _set(session, row.id, removed_at=now_s(), due_at=now_s() + SECOND_LOOK_S)
    else:
        # Due again at once if the reconciler dies before it has purged.
        _set(session, row.id, due_at=now_s())
    return Removal(id=row.id, ticket=str(row.id), finished=row.removed_at is not None)


def finish(session: Session, removal: Removal) -> None:
    """Forget a removal whose files are purged."""
    session.execute(delete(RemovalRow).where(RemovalRow.id == removal.id, RemovalRow.removed_at.is_not(None)))


def forget_removals(session: Session, key: str) -> None:
    """Keep the file of this key: it was stored again."""
    session.execute(delete(RemovalRow).where(RemovalRow.key == key))


def is_to_be_removed(session: Session, key: str) -> bool:
    """Return whether the file of this key waits for its first removal."""
    waits = select(RemovalRow.key).where(RemovalRow.key == key, RemovalRow.removed_at.is_(None))
    return _any(session, waits)


def _is_used(session: Session, key: str, data_dir: Path) -> bool:
    """Return whether a row names anything at or below the key; a key of no known kind is never removed."""
    if found := RUN_KEY.match(key):
        return _run_is_used(session, found[1], key.removeprefix(f"{ARTIFACTS}/"), whole=found[2] is None)
    if not key.startswith(f"{UPLOADS}/"):
        return True
    path = str(data_dir.resolve() / key)
    stored = select(UploadRow.id).where(UploadRow.path == key)
    is_read = _any(session, select(DatasetRow.id).where(reads_source(path))) or bool(inspections_of(session, path))
    return is_read or _any(session, stored)


def _run_is_used(session: Session, run_id: str, path: str, *, whole: bool) -> bool:
    if _any(session, select(DatasetRow.id).where(_at_or_below(DatasetRow.path, path))):
        return True
    if whole:
        return _any(session, select(RunRow.id).where(RunRow.id == run_id))
    named = or_(_at_or_below(AttemptRow.checkpoint, path), _at_or_below(AttemptRow.path, path))
    return _any(session, select(AttemptRow.run_id).where(AttemptRow.run_id == run_id, named))


def _at_or_below(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], path: str
) -> ColumnElement[bool]:
    return or_(column == path, column.startswith(f"{path}/", autoescape=True))


def _any(session: Session, chosen: Select[str]) -> bool:
    return session.scalar(chosen.limit(1)) is not None


def _set(session: Session, removal_id: int, **values: object) -> None:
    changed = update(RemovalRow).where(RemovalRow.id == removal_id).values(**values)
    session.execute(changed.execution_options(synchronize_session=False))
