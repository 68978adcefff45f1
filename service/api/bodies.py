"""Checks of a body before it is parsed: its size, media type and shape, and NUL characters, which SQL cannot store."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import Request

from service.api.buffers import BodyBuffer
from service.api.json_shape import shape_of
from service.domain.errors import InvalidSpec, Mistake, ServiceError, escaped
from service.settings import Settings

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


class BodyTooComplex(BodyTooLarge):
    """The request's body is nested deeper, or has more values or members, than the service reads."""

    code = "body_too_complex"


class NoUtf8(ServiceError):
    """A body of JSON is in another encoding."""

    code = "malformed_json"


async def check_body(request: Request, settings: Settings, buffer: BodyBuffer) -> None:
    """Read and check the body; later readers get the same bytes.

    Args:
        settings: How much a body may hold.
        buffer: Counts what is kept.

    Raises:
        BodyTooLarge: It has more bytes than are read.
        BodyTooComplex: It has more values or members, or is nested deeper.
        ServerBusy: There is no room for it beside the bodies of other requests.
        UnsupportedMediaType: It is not declared as JSON.
        NoUtf8: It is JSON in another encoding than UTF-8.
        InvalidSpec: A string in it holds a NUL character; every one is listed.
        starlette.requests.ClientDisconnect: The caller left before its end.
    """
    body = await _read(request, settings.max_body_bytes, buffer)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    expected = MEDIA_TYPES if request.method == "PATCH" else MEDIA_TYPES[:1]
    if body and media_type not in expected:
        raise UnsupportedMediaType(f"found Content-Type {media_type or 'none'!r}, expected {' or '.join(expected)}")
    _check_shape(body, settings)
    if WRITTEN_NUL in body:
        _refuse_nul(body)


def _check_shape(body: bytes, settings: Settings) -> None:
    if NUL.encode() in body:
        # Only UTF-16 and UTF-32 hold such bytes. RFC 8259, section 8.1.
        detail = "the body is not JSON in UTF-8: send it in UTF-8"
        raise NoUtf8(detail, mistakes=[Mistake(pointer="", detail=detail)])
    shape = shape_of(body, most_values=settings.max_json_values)
    if shape.values > settings.max_json_values:
        raise BodyTooComplex(
            f"the body has more than {settings.max_json_values} values, the most that are read; send less"
        )
    if shape.members > settings.max_json_members:
        # Each may be a mistake, and is one to build and to count before 50 are listed.
        raise BodyTooComplex(
            f"the body has {shape.members} members (names with a value), and {settings.max_json_members} are read; "
            "send less"
        )
    if shape.depth > settings.max_json_depth:
        raise BodyTooComplex(
            f"the body is nested {shape.depth} levels deep, and {settings.max_json_depth} are read; send less"
        )


async def _read(request: Request, limit_bytes: int, buffer: BodyBuffer) -> bytes:
    too_large = BodyTooLarge(f"the body has more than {limit_bytes} bytes, the most that is read; send less")
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:20]) > limit_bytes:
        raise too_large
    chunks = []
    async for chunk in request.stream():
        buffer.add(len(chunk))
        if buffer.size > limit_bytes:
            raise too_large
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
