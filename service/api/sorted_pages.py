"""Pages of lists that can be sorted, searched and counted, with cursors that fit one order alone."""

import json
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

from fastapi import Depends, Query, Request, Response

from cellgate.contract.api.common import Page
from cellgate.contract.identifiers import ULID
from service.api.parameters import MaxItems, Paging
from service.domain.errors import InvalidSpec, Mistake
from service.store.paging import NEWEST_FIRST, Found, Order, OrderName, PageOf, Position, Value

T = TypeVar("T")
A_ROW = re.compile(rf"^[a-z]{{2,3}}_{ULID}\Z")
# A name of 200 characters, each written as an escape, in base 64.
LONGEST_CURSOR = 2000
NUMBERS = ("f1", "took")
# Neither NUL nor half a character, which a name cannot have and a database refuses.
STORABLE = re.compile(r"^[^\x00\ud800-\udfff]*\Z")
ByNameSort = Literal["created", "-created", "name", "-name"]
AnySort = Literal["created", "-created", "name", "-name", "f1", "-f1", "took", "-took"]
SORTS = get_args(AnySort)
_SORT = "With `-`: descending. Items without a value come last in both directions; of equal ones the id decides."
ByName = Annotated[ByNameSort, Query(alias="sort", description=_SORT)]
ByAny = Annotated[AnySort, Query(alias="sort", description=f"{_SORT} `f1`: on the gate split; `took`: of ended ones.")]
AfterSorted = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_-]+$",
        max_length=LONGEST_CURSOR,
        description="Cursor: `next` of the page before, of the same `sort`.",
    ),
]
Counted = Annotated[bool, Query(alias="total", description="Count the items of all pages, up to 10,000.")]
Search = Annotated[
    str | None,
    Query(
        alias="q",
        max_length=200,
        pattern=r"^[^\x00]*[^\x00\s][^\x00]*$",
        description="Part of the name, whatever its case, or beginning of the id. One page looks at 10,000 at most: "
        "it may hold fewer than `limit`, or none, while `next` leads on.",
    ),
]
OwnedBy = Annotated[
    str | None,
    Query(
        alias="owner",
        max_length=80,
        pattern=r"^[^\x00]+$",
        description="Of this owner: the id, `owner_id` of an item or `principal_id` of GET /v1/whoami, or the name.",
    ),
]


class SortedPaging(Paging):
    """The page of a sorted list that a request selects."""

    def found(self, items: Sequence[T], found: Found[Any]) -> Page[T]:
        """Return the page, and name its neighbours in `Link`.

        Args:
            items: What is on it.
            found: The rows that they show.
        """
        following = None if found.after is None else written_cursor(self.wanted.order, found.after)
        return self.linked(items, following, total=found.total)


def written_cursor(order: Order, position: Position) -> str:
    """Return a cursor: the id alone in the order that lists have by default, which all releases know."""
    if order == NEWEST_FIRST:
        return position.id
    parts = json.dumps([_name(order), position.value, position.id], separators=(",", ":"))
    return urlsafe_b64encode(parts.encode()).rstrip(b"=").decode()


def read_cursor(text: str, order: Order) -> Position:
    """Return the position that a cursor of this order names.

    Raises:
        InvalidSpec: It is no cursor, or one of another order.
    """
    if A_ROW.match(text):
        made_for, position = NEWEST_FIRST, Position(id=text)
    else:
        made_for, position = _decoded(text)
    if made_for != order:
        found = f"found a cursor of sort={_name(made_for)}, expected one of sort={_name(order)}"
        raise _refused(f"{found}: begin again without `after`")
    return position


def _decoded(text: str) -> tuple[Order, Position]:
    try:
        sort, value, row_id = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (NotBase64, ValueError, TypeError, RecursionError) as error:
        raise _not_ours() from error
    if sort not in SORTS or not isinstance(row_id, str) or not A_ROW.match(row_id):
        raise _not_ours()
    order = order_of(sort)
    if not _fits(order, value):
        raise _not_ours()
    return order, Position(id=row_id, value=value)


def _fits(order: Order, value: Any) -> bool:
    if value is None:
        return True
    if order.by in NUMBERS:
        return isinstance(value, float) and math.isfinite(value)
    return order.by == "name" and isinstance(value, str) and STORABLE.match(value) is not None


def _not_ours() -> InvalidSpec:
    return _refused("found no cursor, expected `next` of the page before: begin again without `after`")


def _refused(detail: str) -> InvalidSpec:
    return InvalidSpec("the page has no such beginning", mistakes=[Mistake(pointer="#query/after", detail=detail)])


def order_of(sort: str) -> Order:
    """Return the order that a value of `sort` names."""
    return Order(by=cast(OrderName, sort.removeprefix("-")), descending=sort.startswith("-"))


def _name(order: Order) -> str:
    return f"-{order.by}" if order.descending else order.by


def _wanted(limit: int, after: str | None, sort: str, *, counted: bool) -> PageOf:
    order = order_of(sort)
    if after is None:
        return PageOf(limit=limit, order=order, counted=counted)
    position = read_cursor(after, order)
    value: Value = position.value
    return PageOf(limit=limit, after=position.id, value=value, order=order, counted=counted)


async def _by_name(
    request: Request,
    response: Response,
    limit: MaxItems = 50,
    after: AfterSorted = None,
    sort: ByName = "-created",
    counted: Counted = False,
) -> SortedPaging:
    return SortedPaging(request, response, _wanted(limit, after, sort, counted=counted))


async def _by_any(
    request: Request,
    response: Response,
    limit: MaxItems = 50,
    after: AfterSorted = None,
    sort: ByAny = "-created",
    counted: Counted = False,
) -> SortedPaging:
    return SortedPaging(request, response, _wanted(limit, after, sort, counted=counted))


PagedByName = Annotated[SortedPaging, Depends(_by_name)]
PagedByAny = Annotated[SortedPaging, Depends(_by_any)]
