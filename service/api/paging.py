"""Lists, page by page: a keyset cursor costs the same at any depth, and `Link` names the next page.

Source:
    RFC 8288 (Link).
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from cellgate.contract.api.common import Page
from service.api.parameters import After, Limit
from service.store.filters import PageOf

T = TypeVar("T")


class Paging:
    """Which page of a list was asked for.

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
        following = ids[-1] if len(ids) == self.wanted.limit else None
        links = [self._link("first", None)]
        if following is not None:
            links.append(self._link("next", following))
        self._response.headers["Link"] = ", ".join(links)
        return Page(items=list(items), next=following)

    def _link(self, relation: str, after: str | None) -> str:
        url = self._request.url.remove_query_params("after")
        if after is not None:
            url = url.include_query_params(after=after)
        # Relative to the server: what a proxy in front of it is called, only the caller knows.
        return f'<{url.path}{f"?{url.query}" if url.query else ""}>; rel="{relation}"'


async def _paging(request: Request, response: Response, limit: Limit = 50, after: After = None) -> Paging:
    return Paging(request, response, PageOf(limit=limit, after=after))


Paged = Annotated[Paging, Depends(_paging)]
