"""Answers to polls: their entity tag, when to poll again, and the shortcuts that give most of them.

Source:
    RFC 9110, sections 8.8.3 (ETag), 10.2.3 (Retry-After) and 13.1.2 (If-None-Match).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Response

from service.api.batch_reader import BatchReader
from service.api.views import run_status
from service.store.database import Database
from service.store.versions import PollState, load_run_statuses

ENDED_RETRY_AFTER_S = 30
WAITS_RETRY_AFTER_S = 2
# So many polls until the next run ends show its progress, and its end soon afterwards.
ASKS_UNTIL_END = 30
SOONEST_RETRY_AFTER_S = 1
LATEST_RETRY_AFTER_S = 5
# In the entity tag of an answer in which no run waits.
IDLE = "idle"


def retry_after_s(poll_state: PollState) -> int:
    """Return `Retry-After` in seconds: short near the end of a run, longer before it and once all has ended."""
    if poll_state.ended:
        return ENDED_RETRY_AFTER_S
    if poll_state.eta_s is not None:
        return round(min(max(poll_state.eta_s / ASKS_UNTIL_END, SOONEST_RETRY_AFTER_S), LATEST_RETRY_AFTER_S))
    return WAITS_RETRY_AFTER_S if poll_state.waits else SOONEST_RETRY_AFTER_S


def poll_headers(row_id: str, poll_state: PollState, *of_it: object) -> dict[str, str]:
    """Return the headers of an answer that is polled.

    Args:
        row_id: Id of the polled row.
        poll_state: Of the row.
        of_it: Further values that the answer depends on.
    """
    etag = f'W/"{"-".join(str(part) for part in (row_id, poll_state.version, *of_it))}"'
    return {"ETag": etag, "Retry-After": str(retry_after_s(poll_state)), "Cache-Control": "private, no-cache"}


def tags_in(if_none_match: str | None) -> frozenset[str]:
    """Return the entity tags in an `If-None-Match` header."""
    return frozenset(tag.strip() for tag in (if_none_match or "").split(","))


def not_modified(headers: Mapping[str, str]) -> Response:
    """Return 304."""
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=dict(headers))


@dataclass(frozen=True, kw_only=True)
class PolledAnswer:
    """What a polled row answers now.

    Args:
        headers: Its entity tag, and when to poll again.
        content: The body, as JSON.
    """

    headers: Mapping[str, str]
    content: bytes


def run_statuses_in(database: Database) -> BatchReader[PolledAnswer]:
    """Return a reader of the status of runs in this database."""

    def read(run_ids: Collection[str]) -> Mapping[str, PolledAnswer]:
        with database.read_rows() as connection:
            found = load_run_statuses(connection, run_ids)
        return {
            row.id: PolledAnswer(
                headers=poll_headers(row.id, poll_state), content=run_status(row).model_dump_json().encode()
            )
            for row, poll_state in found
        }

    return BatchReader(read)
