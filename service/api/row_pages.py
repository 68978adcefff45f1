"""Pages of functions, by their number in the data set."""

from typing import Annotated

from fastapi import Depends, Query, Request, Response

from service.api.parameters import MaxItems, link

# Of the column and of SQLite's integers; a data set has fewer rows by far.
MOST_ROWS = 2**53

AfterRow = Annotated[
    int | None, Query(ge=0, lt=MOST_ROWS, description="Cursor: `next` of the page before, the last row on it.")
]


class RowPaging:
    """The page of functions that a request selects.

    Args:
        after: Only rows with a higher number; None: from the first.
        limit: Rows at most.
    """

    def __init__(self, request: Request, response: Response, *, after: int | None, limit: int) -> None:
        self.after, self.limit = after, limit
        self._request = request
        self._response = response

    def next_of(self, rows: list[int]) -> str | None:
        """Return the cursor of the following page, and name that page in `Link`.

        Args:
            rows: Numbers of the rows on the page, rising; as many as the limit where others may follow.
        """
        following = str(rows[-1]) if len(rows) == self.limit else None
        url = self._request.url.remove_query_params("after")
        links = [link("first", url)]
        if following is not None:
            links.append(link("next", url.include_query_params(after=following)))
        self._response.headers["Link"] = ", ".join(links)
        return following


async def _row_paging(request: Request, response: Response, limit: MaxItems = 50, after: AfterRow = None) -> RowPaging:
    return RowPaging(request, response, after=after, limit=limit)


RowPaged = Annotated[RowPaging, Depends(_row_paging)]
