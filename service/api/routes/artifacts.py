"""The files that a run has left: which there are, and each one whole or by ranges."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path as InPath
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from cellgate.contract.api.runs import ArtifactAnswer
from cellgate.contract.api.tokens import Scope
from service.api.context import Context, Ctx
from service.api.etags import tagged
from service.api.parameters import RunPath
from service.api.ranges import ByteRange, RangeNotSatisfiable, is_held, range_of
from service.api.responses import documented
from service.api.run_files import RunFile, names_in, open_file
from service.api.scopes import ScopedRouter
from service.domain.errors import ArtifactMissing, NotFound
from service.store.runs import get_run

router = ScopedRouter(prefix="/v1/runs", tags=["runs"])
ArtifactPath = Annotated[
    str, InPath(max_length=1000, description="Path of the file, as the list of the run's artifacts shows it.")
]
# Sent for every type: browsers must save the file instead of rendering it.
OCTETS = "application/octet-stream"
ANY = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
FILE: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {"description": "The file; its ETag is its SHA-256", "content": ANY},
    HTTPStatus.PARTIAL_CONTENT.value: {"description": "The requested range", "content": ANY},
    **documented(
        HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.NOT_MODIFIED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    ),
}


@router.get("/{run_id}/artifacts", Scope.READ, **tagged(HTTPStatus.NOT_FOUND))
def read_artifacts(run_id: RunPath, context: Ctx) -> list[ArtifactAnswer]:
    """List the files of the run's last attempt, without its checkpoint."""
    folder = _folder(context, run_id)
    if folder is None:
        return []
    found: list[ArtifactAnswer] = []
    for name in names_in(folder):
        try:
            file = open_file(folder, name, context.hashes)
        except NotFound:
            # It was replaced or removed since it was listed.
            continue
        file.close()
        found.append(ArtifactAnswer(name=name, size=file.size, sha256=file.sha256, media_type=file.media_type))
    return found


@router.head("/{run_id}/artifacts/{name:path}", Scope.READ, response_class=Response, include_in_schema=False)
@router.get("/{run_id}/artifacts/{name:path}", Scope.READ, response_class=Response, responses=FILE)
def read_artifact(run_id: RunPath, name: ArtifactPath, context: Ctx, request: Request) -> Response:
    """Download a file of the run's last attempt, or a range of it."""
    with context.database.read() as session:
        run = get_run(session, run_id)
    folder = _folder(context, run_id)
    if folder is None:
        raise NotFound(f"run {run_id} has not been started, so it has left no file")
    try:
        file = open_file(folder, name, context.hashes)
    except NotFound as error:
        if name in (run.result or {}).get("artifacts", {}):
            raise ArtifactMissing(
                f"run {run_id} left {name}, but it is not below {folder.name} any more: restore the artifact folder "
                f"from a backup, or retry the run with POST /v1/runs/{run_id}/retry"
            ) from error
        raise
    try:
        return _sent(file, request)
    except RangeNotSatisfiable:
        file.close()
        raise


def _sent(file: RunFile, request: Request) -> Response:
    etag = f'"{file.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if is_held(etag, request.headers):
        file.close()
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    part = range_of(file.size, request.headers, etag)
    headers |= part.headers | {"Content-Disposition": _as_download(file.name)}
    if request.method == "HEAD":
        file.close()
        return Response(status_code=part.status, headers=headers, media_type=OCTETS)
    return _Sending(file, part, headers)


class _Sending(StreamingResponse):
    """A part of a file, which is closed however the sending ends."""

    def __init__(self, file: RunFile, part: ByteRange, headers: Mapping[str, str]) -> None:
        content = file.content(part.begin, part.end)
        super().__init__(content, status_code=part.status, headers=headers, media_type=OCTETS)
        self._file = file

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _as_download(name: str) -> str:
    return f"attachment; filename*=utf-8''{quote(name.rpartition('/')[2])}"


def _folder(context: Context, run_id: str) -> Path | None:
    with context.database.read() as session:
        run = get_run(session, run_id)
        return None if run.path is None else context.settings.artifacts / run.path
