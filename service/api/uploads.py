"""Uploads: a file streamed to disk with a size limit and an optional digest; stored whole or not at all.

Source:
    RFC 9530 (`Content-Digest`).
"""

import base64
import binascii
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from cellgate.contract.files import atomic_file, sync_folder
from service.api.bodies import BodyTooLarge
from service.domain.errors import InvalidSpec, Mistake, StorageFull

BUFFER_BYTES = 1 << 20
DIGEST_HEADER = "Content-Digest"
SHA256_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A stored file."""

    path: Path
    size_bytes: int
    sha256: str


A = TypeVar("A")


async def receive(
    request: Request,
    folder: Path,
    name: str,
    *,
    limit_bytes: int,
    reserve_bytes: int,
    keep: Callable[[Upload, Callable[[], None]], A],
) -> A:
    """Keep the request's body as `folder/<start of its SHA-256>/name`; the same bytes come to the same place.

    Args:
        request: Read to its end, block by block.
        folder: Created if missing; the body is written below it and renamed, so it must be one file system.
        name: File name without folders; its suffix determines the layout.
        limit_bytes: Most bytes that the body may have.
        keep: Records the file and calls its second argument, which puts the file in place; its result is returned.
        reserve_bytes: What stays free for the runs that are at work.

    Raises:
        BodyTooLarge: It has more than `limit_bytes`.
        StorageFull: The disk has no room for it.
        InvalidSpec: The bytes do not match `Content-Digest`, or that header cannot be read.
        starlette.requests.ClientDisconnect: The caller left before its end.
    """
    expected = _expected_digest(request)
    _check_announced(request, folder, limit_bytes, reserve_bytes)
    incoming = folder / f".incoming-{os.urandom(8).hex()}"
    try:
        size, digest = await _stream(request, incoming, limit_bytes, reserve_bytes)
        if expected is not None and digest != expected:
            found = base64.b64encode(digest).decode()
            raise _wrong_digest(f"what came has sha-256=:{found}:, which is not what was announced; send it again")
        path = folder / digest.hex()[:16] / name
        upload = Upload(path=path, size_bytes=size, sha256=f"sha256:{digest.hex()}")
        return await run_in_threadpool(keep, upload, partial(_settle, incoming, path))
    finally:
        incoming.unlink(missing_ok=True)


async def _stream(request: Request, incoming: Path, limit_bytes: int, reserve_bytes: int) -> tuple[int, bytes]:
    """Write the body to a file; return its size and its SHA-256."""
    size, hashed, buffer = 0, hashlib.sha256(), bytearray()
    with atomic_file(incoming) as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            hashed.update(chunk)
            buffer += chunk
            if len(buffer) >= BUFFER_BYTES:
                _check_room(incoming.parent, len(buffer), reserve_bytes)
                await run_in_threadpool(file.write, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(file.write, bytes(buffer))
    return size, hashed.digest()


def _settle(incoming: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    incoming.replace(path)
    sync_folder(path.parent)


def _check_announced(request: Request, folder: Path, limit_bytes: int, reserve_bytes: int) -> None:
    """Refuse a file whose `Content-Length` is too large before its first byte is read."""
    announced = request.headers.get("Content-Length", "")
    size = int(announced) if announced.isdecimal() else 0
    if size > limit_bytes:
        raise _too_large(limit_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(folder, size, reserve_bytes)


def _check_room(folder: Path, size: int, reserve_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + reserve_bytes:
        raise StorageFull(
            f"the service's disk has {free / 1e9:.1f} GB left, of which {reserve_bytes / 1e9:.1f} GB are kept for "
            "runs; make room there, then send it again"
        )


def _expected_digest(request: Request) -> bytes | None:
    header = request.headers.get(DIGEST_HEADER)
    if header is None:
        return None
    found = SHA256_DIGEST.search(header)
    if found is None:
        raise _wrong_digest(f"found {header!r}, expected sha-256=:<base64>:")
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise _wrong_digest(f"found {header!r}, which is not base64: {error}") from None


def _wrong_digest(detail: str) -> InvalidSpec:
    return InvalidSpec(detail, mistakes=[Mistake(pointer=f"#header/{DIGEST_HEADER}", detail=detail)])


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the file has more than {limit_bytes} bytes, the most that is taken; compress it (.gz), or put it below a "
        "data root"
    )
