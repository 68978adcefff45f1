"""Cheap polling: an ETag from version columns, 304 without a body, when to poll again, and waiting for a change.

Source:
    RFC 9110, sections 8.8.3 (ETag), 10.2.3 (Retry-After) and 13.1.2 (If-None-Match); `?wait=` as in RFC 7240's `wait`
    preference, here a query parameter, which links and browsers can carry.
"""

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Annotated

from fastapi import Depends, Request, Response

from service.api.context import Ctx, Permitted
from service.api.etags import IfNoneMatch, Wait
from service.api.polled_answers import IDLE, not_modified, poll_headers, tags_in
from service.store.versions import PollState

_HELD_VERSION = re.compile(r'^W/"((?:ds|exp|job|run|bun|upl)_[0-9A-Z]{26})-(\d{1,18})(?:-[^"]*)?"$')


def version_in(tag: str, row_id: str) -> int | None:
    """Return the version of a row that an entity tag names; None where it is no tag of this row."""
    found = _HELD_VERSION.match(tag)
    return int(found[2]) if found is not None and found[1] == row_id else None


def fingerprint(waiting: Mapping[str, object]) -> str:
    """Return a hash of the waiting reasons, which change without a new row version; `IDLE` when no run waits."""
    return f"{zlib.crc32(repr(sorted(waiting.items())).encode()):08x}" if waiting else IDLE


class NotModified(Exception):
    """The version that the caller holds is current."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        super().__init__(headers["ETag"])


class Poll:
    """One polled GET.

    Args:
        held: The entity tags that the caller holds.
    """

    def __init__(self, response: Response, held: Iterable[str]) -> None:
        self._response = response
        self._held = frozenset(held)

    def check(self, row_id: str, poll_state: PollState, *of_it: object) -> None:
        """Set the ETag of the answer.

        Args:
            row_id: Id of the polled row.
            of_it: Further values that the answer depends on.

        Raises:
            NotModified: The caller holds this version.
        """
        headers = poll_headers(row_id, poll_state, *of_it)
        if headers["ETag"] in self._held:
            raise NotModified(headers)
        self._response.headers.update(headers)

    def holds_a_version_of(self, row_id: str) -> int | None:
        """Return the newest version of it that the caller holds, if any."""
        found = [version_in(tag, row_id) for tag in self._held]
        return max((version for version in found if version is not None), default=None)


async def _poll(
    request: Request,
    response: Response,
    context: Ctx,
    permit: Permitted,
    if_none_match: IfNoneMatch = None,
    wait: Wait = 0,
) -> Poll:
    poll = Poll(response, tags_in(if_none_match))
    row_id = _polled_id(request)
    held = poll.holds_a_version_of(row_id)
    if wait and held is not None:
        await context.versions.wait_permitted(row_id, held, timeout_s=wait, permit=permit)
    return poll


Polled = Annotated[Poll, Depends(_poll)]


async def _poll_idle(request: Request, context: Ctx, poll: Polled) -> Poll:
    """Answer 304 early where no run waits: the answer then depends on the row version alone."""
    poll_state = await _held_poll_state(request, context, poll)
    if poll_state is not None and not poll_state.waits:
        poll.check(_polled_id(request), poll_state, IDLE)
    return poll


async def _poll_status(request: Request, context: Ctx, poll: Polled) -> Poll:
    """Answer 304 early, before the answer is built."""
    poll_state = await _held_poll_state(request, context, poll)
    if poll_state is not None:
        poll.check(_polled_id(request), poll_state)
    return poll


async def _held_poll_state(request: Request, context: Ctx, poll: Poll) -> PollState | None:
    row_id = _polled_id(request)
    return None if poll.holds_a_version_of(row_id) is None else await context.load_poll_states.of(row_id)


def _polled_id(request: Request) -> str:
    return str(next(iter(request.path_params.values())))


PolledIdle = Annotated[Poll, Depends(_poll_idle)]
PolledStatus = Annotated[Poll, Depends(_poll_status)]


def not_modified_response(error: NotModified) -> Response:
    """Return 304."""
    return not_modified(error.headers)
