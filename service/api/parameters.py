"""What a request may hold in its path and query: ids, cursors, filters and pages; any other parameter is a mistake.

Source:
    RFC 8288 (Link).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Path, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import StringConstraints
from starlette.datastructures import URL

from cellgate.contract.api.common import LABEL_KEY, LABEL_VALUE, Page, Time
from cellgate.contract.api.resources import Archived
from cellgate.contract.api.runs import EventAnswer
from cellgate.contract.cells import Cell
from cellgate.contract.conclusion import JobOutcome, Outcome
from cellgate.contract.identifiers import BUNDLE_ID, DATASET_ID, EXPERIMENT_ID, JOB_ID, RUN_ID, ULID, UPLOAD_ID
from cellgate.contract.states import DatasetState, ExperimentState, JobState, RunState
from service.api.validation import undone
from service.domain.errors import InvalidRequest, InvalidSpec, Mistake
from service.store.paging import PageOf

DatasetPath = Annotated[str, Path(alias="dataset_id", pattern=DATASET_ID)]
ExperimentPath = Annotated[str, Path(alias="experiment_id", pattern=EXPERIMENT_ID)]
JobPath = Annotated[str, Path(alias="job_id", pattern=JOB_ID)]
BundlePath = Annotated[str, Path(alias="bundle_id", pattern=BUNDLE_ID)]
UploadPath = Annotated[str, Path(alias="upload", pattern=UPLOAD_ID)]
RunPath = Annotated[str, Path(alias="run_id", pattern=RUN_ID)]
MaxItems = Annotated[int, Query(ge=1, le=500, description="Maximum number of items.")]
After = Annotated[str | None, Query(pattern=f"^[a-z]{{2,3}}_{ULID}$", description="Cursor: `next` of the page before.")]
_CELL_DESCRIPTION = "Only items of one of these cells; may be given several times."
_STATE_DESCRIPTION = "Only items in one of these states; may be given several times."

_OUTCOME_DESCRIPTION = "Only items that have ended with one of these outcomes; may be given several times."
ExperimentOutcomes = Annotated[list[Outcome] | None, Query(alias="outcome", description=_OUTCOME_DESCRIPTION)]
JobOutcomes = Annotated[list[JobOutcome] | None, Query(alias="outcome", description=_OUTCOME_DESCRIPTION)]
DatasetStates = Annotated[list[DatasetState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
ExperimentStates = Annotated[list[ExperimentState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
JobStates = Annotated[list[JobState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
RunStates = Annotated[list[RunState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
Cells = Annotated[list[Cell] | None, Query(alias="cell", description=_CELL_DESCRIPTION)]
DatasetName = Annotated[
    str | None,
    Query(max_length=200, pattern=r"^[^\x00]+$", description="Data sets of this name."),
]
DatasetVersion = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The version with this number.")]
OfDataset = Annotated[str | None, Query(alias="dataset", pattern=DATASET_ID, description="Of this data set.")]
OfExperiment = Annotated[
    str | None, Query(alias="experiment", pattern=EXPERIMENT_ID, description="Of this experiment.")
]
OfJob = Annotated[str | None, Query(alias="job", pattern=JOB_ID, description="Of this job.")]
CreatedSince = Annotated[
    Time | None, Query(description="Only items created at this time or later; RFC 3339 with an offset.")
]
CreatedBefore = Annotated[
    Time | None, Query(description="Only items created before this time; RFC 3339 with an offset.")
]
Labels = Annotated[
    list[Annotated[str, StringConstraints(pattern=rf"^{LABEL_KEY}:{LABEL_VALUE}$")]] | None,
    Query(
        alias="label",
        max_length=16,
        description="`key:value`; may be given several times: all must match.",
        examples=["team:core"],
    ),
]


ArchivedItems = Annotated[
    Archived,
    Query(alias="archived", description="`false`: items that are not archived; `true`: archived ones; `all`: both."),
]


def wanted_archived(value: Archived) -> bool | None:
    """Return whether a list shows archived items alone, none of them, or (None) both."""
    return None if value is Archived.ALL else value is Archived.TRUE


def wanted_labels(values: Sequence[str] | None) -> dict[str, str]:
    """Return the labels to filter by, by key.

    Raises:
        InvalidSpec: A key comes with two values; all mistakes are listed.
    """
    found: dict[str, str] = {}
    mistakes = []
    for index, label in enumerate(values or ()):
        key, _, value = label.partition(":")
        if found.setdefault(key, value) != value:
            detail = f"found {key} a second time with another value; an item has one value for each key"
            mistakes.append(Mistake(pointer=f"#query/label/{index}", detail=detail))
    if mistakes:
        raise InvalidSpec("nothing can have all of these labels", mistakes=mistakes)
    return found


def seconds(time: datetime | None) -> float | None:
    """Return a time as seconds since the epoch, if any."""
    return None if time is None else time.timestamp()


T = TypeVar("T")


class Paging:
    """The page of a list that a request selects.

    Args:
        wanted: The page.
    """

    def __init__(self, request: Request, response: Response, wanted: PageOf) -> None:
        self.wanted = wanted
        self._request = request
        self._response = response

    def page(self, items: Sequence[T], ids: Sequence[str]) -> Page[T]:
        """Return the page, and name its neighbours in `Link`.

        Args:
            items: What is on it.
            ids: Their ids, in order.
        """
        return self.linked(items, ids[-1] if len(ids) == self.wanted.limit else None)

    def linked(self, items: Sequence[T], following: str | None, *, total: int | None = None) -> Page[T]:
        """Return the page, and name its neighbours in `Link`.

        Args:
            items: What is on it.
            following: Cursor of the next page; None: there is none.
            total: Items on all pages, where they were counted.
        """
        links = [self._link("first", None)]
        if following is not None:
            links.append(self._link("next", following))
        self._response.headers["Link"] = ", ".join(links)
        return Page(items=list(items), next=following, total=total)

    def _link(self, relation: str, after: str | None) -> str:
        url = self._request.url.remove_query_params("after")
        if after is not None:
            url = url.include_query_params(after=after)
        return link(relation, url)


async def _paging(request: Request, response: Response, limit: MaxItems = 50, after: After = None) -> Paging:
    return Paging(request, response, PageOf(limit=limit, after=after))


Paged = Annotated[Paging, Depends(_paging)]


class EventPaging:
    """The part of a run's or experiment's events that a request selects, from either end.

    Args:
        newest_first: Whether it begins with the newest.
        after: Only events with a higher id.
        before: Only events with a lower id.
        limit: Events at most.
    """

    def __init__(
        self,
        request: Request,
        response: Response,
        *,
        newest_first: bool,
        after: int,
        before: int | None,
        limit: int,
    ) -> None:
        self.newest_first, self.after, self.before, self.limit = newest_first, after, before, limit
        self._request = request
        self._response = response

    def page(self, events: Sequence[EventAnswer]) -> list[EventAnswer]:
        """Return the events, and name the page that follows in `Link`."""
        cursor = "before" if self.newest_first else "after"
        links = [self._link("first", cursor, None)]
        if len(events) == self.limit:
            links.append(self._link("next", cursor, events[-1].id))
        self._response.headers["Link"] = ", ".join(links)
        return list(events)

    def _link(self, relation: str, cursor: str, at: int | None) -> str:
        url = self._request.url.remove_query_params(cursor)
        return link(relation, url if at is None else url.include_query_params(**{cursor: str(at)}))


async def _event_paging(
    request: Request,
    response: Response,
    order: Annotated[Literal["asc", "desc"], Query(description="`desc`: the newest first.")] = "asc",
    after: Annotated[int, Query(ge=0, lt=2**63, description="Return events with a higher id only.")] = 0,
    before: Annotated[int | None, Query(ge=0, lt=2**63, description="Return events with a lower id only.")] = None,
    limit: MaxItems = 100,
) -> EventPaging:
    return EventPaging(request, response, newest_first=order == "desc", after=after, before=before, limit=limit)


PagedEvents = Annotated[EventPaging, Depends(_event_paging)]


def link(relation: str, url: URL) -> str:
    # Relative: only the caller knows the name of a proxy in front of the server.
    return f'<{url.path}{f"?{url.query}" if url.query else ""}>; rel="{relation}"'


# A page may be opened with whatever a link to it carries.
OF_THE_API = "/v1/"


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse parameters that the route does not read.

    Raises:
        InvalidRequest: There are such parameters; every one is listed.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute) or not route.path.startswith(OF_THE_API):
        return
    known = set(_parameters(route.dependant))
    there_are = f"there are {', '.join(sorted(known))}" if known else "none are known here"
    mistakes = [
        Mistake(pointer=f"#query/{name}", detail=f"there is no such parameter; {there_are}")
        for name in sorted(set(request.query_params) - known)
    ]
    if mistakes:
        raise InvalidRequest(f"the query has unknown parameters{undone(request.method)}", mistakes=mistakes)


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)
