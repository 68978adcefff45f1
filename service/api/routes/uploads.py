"""Uploads: files of labelled functions from callers who cannot put them below a data root."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Request
from starlette.concurrency import run_in_threadpool

from cellgate.contract.api.datasets import UploadAnswer
from cellgate.contract.api.tokens import Scope
from service.api.changes import Change, Changing
from service.api.responses import documented
from service.api.scopes import ScopedRouter, Whose
from service.api.uploads import Upload, receive

router = ScopedRouter(prefix="/v1/uploads", tags=["datasets"])
FOLDER = "uploads"
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
FileName = Annotated[
    str,
    Path(
        max_length=150,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.(jsonl|json|csv)(\.gz)?$",
        description="File name; its suffix determines the layout: .jsonl, .json or .csv, also with .gz.",
    ),
]


@router.put(
    "/{name}",
    Scope.SUBMIT,
    Whose.NEW,
    status_code=HTTPStatus.CREATED,
    responses=documented(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE, HTTPStatus.UNPROCESSABLE_ENTITY
    ),
    openapi_extra=BODY,
)
async def upload(name: FileName, request: Request, change: Changing) -> UploadAnswer:
    """Upload a file. The same bytes under the same name always get the same path."""
    settings = change.context.settings
    folder = settings.data_dir.resolve() / "data" / FOLDER
    kept = await receive(request, folder, name, limit_bytes=settings.max_upload_bytes)
    await run_in_threadpool(_record, change, kept)
    return UploadAnswer(source=str(kept.path), size_bytes=kept.size_bytes, sha256=kept.sha256)


def _record(change: Change, kept: Upload) -> None:
    with change.transaction() as session:
        change.record(session, size_bytes=kept.size_bytes, sha256=kept.sha256)
