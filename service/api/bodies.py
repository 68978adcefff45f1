"""Checks of a body before it is parsed: its size, its media type, and NUL characters, which SQL cannot store."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import Request

from service.domain.errors import InvalidSpec, Mistake, ServiceError, escaped

NUL = "\x00"
# The second one only for PATCH, RFC 7396.
MEDIA_TYPES = ("application/json", "application/merge-patch+json")
WRITTEN_NUL = b"\\u0000"


class BodyTooLarge(ServiceError):
    """The request's body is larger than the service reads."""

    code = "body_too_large"


class UnsupportedMediaType(ServiceError):
    """A body came that is not declared as JSON."""

    code = "unsupported_media_type"


async def check_body(request: Request, limit_bytes: int) -> None:
    """Read and check the body; later readers get the same bytes.

    Raises:
        BodyTooLarge: It has more than `limit_bytes`.
        UnsupportedMediaType: It is not declared as JSON.
        InvalidSpec: A string in it holds a NUL character; every one is listed.
        starlette.requests.ClientDisconnect: The caller left before its end.
    """
    body = await _read(request, limit_bytes)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    expected = MEDIA_TYPES if request.method == "PATCH" else MEDIA_TYPES[:1]
    if body and media_type not in expected:
        raise UnsupportedMediaType(f"found Content-Type {media_type or 'none'!r}, expected {' or '.join(expected)}")
    if WRITTEN_NUL in body:
        _refuse_nul(body)


async def _read(request: Request, limit_bytes: int) -> bytes:
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLarge(f"the body has more than {limit_bytes} bytes, the most that is read; send less")
        chunks.append(chunk)
    # Starlette reads a body once; this is where it keeps one that was read.
    request._body = b"".join(chunks)
    return request._body


def _refuse_nul(body: bytes) -> None:
    """Refuse NUL characters: SQLite would store them, PostgreSQL would not."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return  # The route's own validation reports what is wrong with it.
    detail = "found a NUL character (\\u0000), which no text here may hold; leave it out"
    mistakes = [Mistake(pointer=pointer, detail=detail) for pointer in _pointers_to_nul(parsed)]
    if mistakes:
        raise InvalidSpec("the request holds NUL characters; nothing was done", mistakes=mistakes)


def _pointers_to_nul(parsed: Any) -> Iterator[str]:
    waiting = [("", parsed)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, str):
            if NUL in value:
                yield pointer
        elif isinstance(value, list):
            waiting += [(f"{pointer}/{index}", item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            if any(NUL in key for key in value):
                yield pointer
            waiting += [(f"{pointer}/{escaped(key)}", value[key]) for key in reversed(value)]
