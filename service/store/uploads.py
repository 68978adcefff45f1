"""Uploads: files that callers have sent, as rows. The same bytes under the same name are one row."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.domain.errors import Conflict
from service.store.artifact_store import ArtifactStore
from service.store.database import now_s
from service.store.filters import VISIBLE, Filters, matching_uploads
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.lookup import get_row, new_id
from service.store.paging import FIRST_PAGE, Found, PageOf, find_page, rows_of
from service.store.removals import forget_removals, is_to_be_removed
from service.store.tables import UploadRow


def keep_upload(
    session: Session,
    *,
    key: str,
    name: str,
    size_bytes: int,
    sha256: str,
    owner_id: str | None,
    settle: Callable[[], object],
) -> UploadRow:
    """Store an upload's row and put its file in place; return the row that is there already for the same file.

    Args:
        session: An open transaction.
        key: Of the file in the artifact store.
        name: As the caller sent it.
        size_bytes: Of the file.
        sha256: Of the file: `sha256:` and 64 hex digits.
        owner_id: Of the caller.
        settle: Renames the file into its place. Called inside of the transaction, so that a removal of the same file
            comes before it or sees the row.

    Raises:
        Conflict: Another file lies at this place, and stays.
    """
    one_at_a_time(session, AdvisoryLock.UPLOADS)
    forget_removals(session, key)
    row = session.scalar(select(UploadRow).where(UploadRow.path == key))
    if row is None:
        values = {
            "id": new_id("upl"),
            "name": name,
            "size_bytes": size_bytes,
            "sha256": sha256,
            "path": key,
            "owner_id": owner_id,
            "created_at": now_s(),
            "version": 1,
        }
        row = session.scalars(insert(UploadRow).values(values).returning(UploadRow)).one()
    elif row.sha256 != sha256:
        # The key has only the start of the hash.
        raise Conflict(f"{row.id} is another file at the same place: send this one under another name")
    settle()
    return row


def adopt_upload(session: Session, store: ArtifactStore, *, key: str, size_bytes: int, sha256: str) -> None:
    """Store the row of a file that was found without one; do nothing if it is being removed, or is gone.

    Args:
        session: An open transaction.
        store: Where the file is.
        key: Of the file; it ends in its name.
        size_bytes: Of the file.
        sha256: Of the file.
    """
    # Held from the look to the row's insertion.
    one_at_a_time(session, AdvisoryLock.UPLOADS)
    if is_to_be_removed(session, key) or store.stat(key) is None:
        return
    keep_upload(
        session,
        key=key,
        name=key.rpartition("/")[2],
        size_bytes=size_bytes,
        sha256=sha256,
        owner_id=None,
        settle=lambda: None,
    )


def get_upload(session: Session, upload_id: str) -> UploadRow:
    """Return an upload.

    Raises:
        NotFound: There is no such upload.
    """
    return get_row(session, UploadRow, upload_id)


def list_uploads(session: Session, page: PageOf = FIRST_PAGE, wanted: Filters = VISIBLE) -> Found[UploadRow]:
    """Return a page of the uploads that match the filters.

    Args:
        session: An open transaction.
        page: The page.
        wanted: Filters.
    """
    return rows_of(session, UploadRow, find_page(session, matching_uploads(wanted), page))


def known_keys(session: Session) -> set[str]:
    """Return the keys of all uploads."""
    return set(session.scalars(select(UploadRow.path)))


def source_of(row: UploadRow, data_dir: Path) -> str:
    """Return the absolute path of an upload's file, for `source` of a data set."""
    return str(data_dir.resolve() / row.path)
