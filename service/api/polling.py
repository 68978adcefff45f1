"""Cheap polling: an ETag from version columns, 304 without a body, and when to ask again.

Source:
    RFC 9110, sections 8.8.3 (ETag) and 13.1.2 (If-None-Match).
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Depends, Header, Response

ACTIVE_RETRY_AFTER_S = 1
ENDED_RETRY_AFTER_S = 30


def fingerprint(waiting: Mapping[str, object]) -> str:
    """Return a version of what runs wait for, which changes without them; empty when none waits."""
    return f"{zlib.crc32(repr(sorted(waiting.items())).encode()):08x}" if waiting else ""


class NotModified(Exception):
    """What the caller holds is still so."""

    def __init__(self, etag: str, retry_after_s: int) -> None:
        self.headers = {"ETag": etag, "Retry-After": str(retry_after_s)}
        super().__init__(etag)


class Poll:
    """One polled GET."""

    def __init__(
        self,
        response: Response,
        if_none_match: Annotated[str | None, Header(description="ETag of what the caller holds.")] = None,
    ) -> None:
        self._response = response
        self._held = {tag.strip() for tag in (if_none_match or "").split(",")}

    def check(self, *versions: object, ended: bool) -> None:
        """Name the version of what is being answered.

        Args:
            versions: What identifies it: id and version columns.
            ended: Whether it can still change.

        Raises:
            NotModified: The caller has it already.
        """
        etag = f'W/"{"-".join(str(version) for version in versions)}"'
        retry_after_s = ENDED_RETRY_AFTER_S if ended else ACTIVE_RETRY_AFTER_S
        if etag in self._held:
            raise NotModified(etag, retry_after_s)
        self._response.headers["ETag"] = etag
        self._response.headers["Retry-After"] = str(retry_after_s)


Polled = Annotated[Poll, Depends(Poll)]


def next_cursor(ids: Sequence[str], limit: int) -> str | None:
    """Return the cursor of the page after a full one."""
    return ids[-1] if len(ids) == limit else None


def not_modified_response(error: NotModified) -> Response:
    """Return 304."""
    return Response(status_code=304, headers=error.headers)
