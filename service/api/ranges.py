"""Byte ranges: the part of a file that a request selects, and whether the caller's copy is still current.

Source:
    RFC 9110, sections 13.1 (If-None-Match, If-Range) and 14 (ranges). Several ranges at once get the whole, as
    section 14.2 allows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from service.domain.errors import ServiceError

_ONE_RANGE = re.compile(r"^bytes=\s*(\d{0,18})-(\d{0,18})\s*$", re.IGNORECASE)


class RangeNotSatisfiable(ServiceError):
    """The requested range begins after the end of the file."""

    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"Range not satisfiable: the content has {size} bytes")


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """The bytes from `begin` to before `end` of `size`.

    Args:
        whole: Whether no range was requested.
    """

    begin: int
    end: int
    size: int
    whole: bool

    @property
    def status(self) -> HTTPStatus:
        """200 or 206."""
        return HTTPStatus.OK if self.whole else HTTPStatus.PARTIAL_CONTENT

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that describe the part."""
        headers = {"Accept-Ranges": "bytes", "Content-Length": str(self.end - self.begin)}
        if not self.whole:
            headers["Content-Range"] = f"bytes {self.begin}-{self.end - 1}/{self.size}"
        return headers


def range_of(size: int, headers: Mapping[str, str], etag: str | None) -> ByteRange:
    """Return the part that a request's headers select.

    Args:
        size: Of the whole, in bytes.
        etag: Its strong entity tag; None where it may still change.

    Raises:
        RangeNotSatisfiable: Nothing of the range is there.
    """
    whole = ByteRange(begin=0, end=size, size=size, whole=True)
    header = _ONE_RANGE.match(headers.get("Range", ""))
    if header is None or headers.get("If-Range", etag) != etag:
        return whole
    first, last = header.groups()
    if not first and not last:
        return whole
    if first and last and int(first) > int(last):
        return whole
    begin = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if begin >= end:
        raise RangeNotSatisfiable(size)
    return ByteRange(begin=begin, end=end, size=size, whole=False)


def is_held(etag: str, headers: Mapping[str, str]) -> bool:
    """Whether the caller's If-None-Match names this entity tag."""
    held = [tag.strip().removeprefix("W/") for tag in headers.get("If-None-Match", "").split(",")]
    return etag in held or held == ["*"]
