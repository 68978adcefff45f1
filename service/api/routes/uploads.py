"""Uploads: files of labelled functions from callers who cannot put them below a data root."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Request, Response
from sqlalchemy.orm import Session

from cellgate.contract.api.common import Page
from cellgate.contract.api.datasets import UploadAnswer
from cellgate.contract.api.resources import Archived, DeletionAnswer, MetadataChange, ResourceKind
from cellgate.contract.api.tokens import Scope
from cellgate.contract.source_files import MAX_NAME_CHARS, READABLE, upload_pattern
from service.api.changes import CHANGING, DELETING, Changing, Deleting, etag_of
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.parameters import (
    ArchivedItems,
    CreatedBefore,
    CreatedSince,
    Labels,
    Paged,
    UploadPath,
    seconds,
    wanted_archived,
    wanted_labels,
)
from service.api.recording import Recorded
from service.api.responses import documented
from service.api.scopes import ScopedRouter, Whose
from service.api.uploads import Upload, receive
from service.api.views import answer
from service.store.artifact_store import UPLOADS
from service.store.filters import Filters
from service.store.tables import UploadRow
from service.store.uploads import get_upload, keep_upload, list_uploads, source_of

router = ScopedRouter(prefix="/v1/uploads", tags=["datasets"])
BODY = {
    "requestBody": {
        "required": True,
        "description": "The file itself.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "parameters": [
        {
            "name": "Content-Digest",
            "in": "header",
            "required": False,
            "description": "RFC 9530: `sha-256=:<base64>:`; a body with another digest is refused.",
            "schema": {"type": "string", "pattern": r"sha-256=:[A-Za-z0-9+/]{43}=:"},
        }
    ],
}
# Named as the id of the other operations: for OpenAPI, paths that differ in a parameter's name alone are one path.
FileName = Annotated[
    str,
    Path(
        alias="upload",
        max_length=MAX_NAME_CHARS,
        pattern=upload_pattern(),
        description=f"File name of letters, digits, `_`, `-` and dots; it ends with {READABLE}.",
    ),
]


@router.put(
    "/{upload}",
    Scope.SUBMIT,
    Whose.NEW,
    status_code=HTTPStatus.CREATED,
    responses=documented(
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.INSUFFICIENT_STORAGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    openapi_extra=BODY,
)
async def upload(name: FileName, request: Request, change: Recorded) -> UploadAnswer:
    """Upload a file. The same bytes under the same name always get the same path."""
    context = change.context
    data_dir = context.settings.data_dir.resolve()

    def keep(received: Upload, settle: Callable[[], None]) -> UploadRow:
        with change.transaction() as session:
            row = keep_upload(
                session,
                key=received.path.relative_to(data_dir).as_posix(),
                name=name,
                size_bytes=received.size_bytes,
                sha256=received.sha256,
                owner_id=change.principal.id,
                settle=settle,
            )
            change.record(session, made=row.id, about_made=True, size_bytes=row.size_bytes, sha256=row.sha256)
            return row

    row = await receive(
        request,
        data_dir / UPLOADS,
        name,
        limit_bytes=context.settings.max_upload_bytes,
        reserve_bytes=context.settings.storage_reserve_bytes,
        keep=keep,
    )
    return _answer(row, context)


@router.get("", Scope.READ, **tagged())
def read_uploads(
    context: Ctx,
    paging: Paged,
    labels: Labels = None,
    archived: ArchivedItems = Archived.FALSE,
    created_since: CreatedSince = None,
    created_before: CreatedBefore = None,
) -> Page[UploadAnswer]:
    """List the uploads, newest first."""
    wanted = Filters(
        labels=wanted_labels(labels),
        archived=wanted_archived(archived),
        since_s=seconds(created_since),
        before_s=seconds(created_before),
    )
    with context.database.read() as session:
        rows = list_uploads(session, paging.wanted, wanted)
    return paging.page([_answer(row, context) for row in rows], [row.id for row in rows])


@router.get("/{upload}", Scope.READ, responses=documented(HTTPStatus.NOT_FOUND))
def read_upload(upload_id: UploadPath, context: Ctx, response: Response) -> UploadAnswer:
    """Return an upload."""
    with context.database.read() as session:
        row = get_upload(session, upload_id)
    response.headers["ETag"] = etag_of(upload_id, row.version)
    return _answer(row, context)


@router.patch("/{upload}", Scope.SUBMIT, Whose.OWN, **CHANGING)
def change_upload(upload_id: UploadPath, wanted: MetadataChange, changing: Changing) -> UploadAnswer:
    """Change an upload's name, note, labels, or whether it is archived; its path stays as it is."""

    def read(session: Session) -> UploadAnswer:
        return _answer(get_upload(session, upload_id), changing.context)

    return changing.change(UploadRow, upload_id, wanted, read)


@router.delete("/{upload}", Scope.SUBMIT, Whose.OWN, **DELETING)
def delete_upload(upload_id: UploadPath, deleting: Deleting) -> DeletionAnswer:
    """Delete an upload and its file. Data sets depend on it until they are ready."""
    return deleting.delete(ResourceKind.UPLOAD, upload_id)


def _answer(row: UploadRow, context: Context) -> UploadAnswer:
    return answer(UploadAnswer, row, source=source_of(row, context.settings.data_dir))
